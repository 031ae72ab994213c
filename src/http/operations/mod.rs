//! `/v1/operations`: what operators of the bureau see and do, with scope `admin`.

mod batches;
mod recalls;

pub use batches::{
    __path_find_any_batch, __path_list_dead_letters, __path_replay_batch, find_any_batch, list_dead_letters,
    replay_batch,
};
pub use recalls::{
    __path_approve_recall, __path_list_recalls, __path_refuse_recall, __path_request_recall, approve_recall,
    list_recalls, refuse_recall, request_recall,
};
