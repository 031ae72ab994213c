//! What stands around the operations in the OpenAPI document: title, security schemes, tags.
//!
//! The operations themselves come from the handlers, by way of [`super::routes::Routes`]. The document needs no
//! database and no configuration, so `etrplus openapi` prints the same bytes everywhere.

use utoipa::openapi::security::{
    ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, ServerBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{FieldProblem, ProblemBody};
use crate::access::{Scope, TOKEN_PATH};
use crate::lineage::refine::{BatchFacet, VerdictFacet};

const DESCRIPTION: &str = "eTR+ stands between contributors of credit data and the risk engines that ask what a person already owes.\n\n\
**A 2xx for a submission means** that the exact bytes, SHA-256 checked, are durable and that the batch, its receipt and its \
audit entry are committed. Anything else was not acknowledged and is safe to retry with the same Idempotency-Key.\n\n\
Errors are problem details (RFC 9457); `/problems` explains every code. Money is an integer number of sen.";

const TAGS: [(&str, &str); 7] = [
    ("access", "Tokens and keys"),
    ("batches", "For contributors: send a batch, follow it, read why a record was rejected"),
    ("profiles", "For risk engines: what a person owes and how they pay"),
    ("archive", "For risk engines: what profiles of many persons would have said in the past"),
    ("aggregates", "For risk engines and reporting: what portfolios add up to"),
    ("reference", "Rules, contracts and limits, as data"),
    ("operations", "For load balancers and operators"),
];

/// The document before any operation is in it.
pub fn frame() -> OpenApi {
    let components = ComponentsBuilder::new()
        .schema("Problem", ProblemBody::schema())
        .schema(FieldProblem::name(), FieldProblem::schema())
        // No operation answers with them: they are the facets of lineage events, whose schema leads here.
        .schema(BatchFacet::name(), BatchFacet::schema())
        .schema(VerdictFacet::name(), VerdictFacet::schema())
        .security_scheme("oauth2", oauth2())
        .security_scheme("bearer", bearer())
        .build();
    let tags =
        TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("eTR+")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url("/").description(Some("This server")).build()]))
        .components(Some(components))
        .tags(Some(tags))
        .build()
}

fn oauth2() -> SecurityScheme {
    let scopes = Scope::ALL.map(|scope| (scope.as_str(), meaning(scope)));
    let flow = ClientCredentials::new(TOKEN_PATH, Scopes::from_iter(scopes));
    SecurityScheme::OAuth2(OAuth2::with_description(
        [Flow::ClientCredentials(flow)],
        "Client credentials, by HTTP Basic or `private_key_jwt`.",
    ))
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token from `POST /oauth/token`."))
        .build();
    SecurityScheme::Http(scheme)
}

fn meaning(scope: Scope) -> &'static str {
    match scope {
        Scope::BatchesWrite => "Send batches for the client's contributor, and cancel them",
        Scope::BatchesRead => "Read the batches of the client's contributor",
        Scope::ProfilesQuery => "Ask for profiles, for the purposes in the client's agreement",
        Scope::ProfilesExplain => "Ask with a profile for the records behind it",
        Scope::ArchiveQuery => {
            "Ask for attributes of many subjects as of the past, for the purposes in the client's agreement"
        }
        Scope::AggregatesRead => "Read what the portfolios of all contributors add up to",
        Scope::Admin => "Run the bureau",
    }
}
