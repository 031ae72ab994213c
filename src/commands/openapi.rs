//! `etrplus openapi`: prints the OpenAPI document, the same bytes everywhere.

use std::io::Write;

use anyhow::Result;

use crate::http;

pub fn run(out: &mut impl Write) -> Result<()> {
    out.write_all(http::document_text().as_bytes())?;
    Ok(())
}
