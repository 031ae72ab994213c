//! What aggregates look like.

use serde_json::{Value, json};

pub fn exposure() -> Value {
    json!({
        "measure": "exposure",
        "from_month": "2025-11-01",
        "to_month": "2026-10-01",
        "min_people": 10,
        "provenance": {
            "gold_version": 412,
            "as_of": "2026-10-31",
            "known_at": "2026-11-24T03:59:58.120441Z",
            "gold_snapshot_id": 7_302_118_220_934_i64,
            "silver_snapshots": {
                "silver.account_snapshots": 5_871_002_113_447_i64,
                "silver.repayment_events": null,
                "silver.applications": 6_120_774_020_115_i64,
                "silver.batches": 8_190_332_550_021_i64,
            },
        },
        "cells": [
            {
                "month": "2026-10-01", "product_type": "BNPL_PLAN", "suppressed": false,
                "values": {"accounts": 48_211, "outstanding_sen": 1_204_551_900_i64, "overdue_sen": 61_200_300},
            },
            { "month": "2026-10-01", "product_type": "RENTAL", "suppressed": true, "values": null },
        ],
    })
}
