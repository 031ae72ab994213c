//! Making a store anew from what it came from: the serving store from the lake, the lake from `bronze/`. Beside the one that is
//! in use, compared with it, and put in its place.

pub mod lake;
pub mod serving;

/// Is told what goes on, how far it is, and how far there is to go.
pub type Tell<'t> = &'t mut (dyn FnMut(&str, i64, i64) + Send);
