//! Every permission in the template is needed: for each resource of each statement of each role, and each statement of each
//! bucket, queue and topic that names a service, there was a request that IAM would have refused without it. No list of
//! permissions is kept by hand.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::run::records;

#[tokio::test]
async fn every_statement_of_every_role_bucket_queue_and_topic_has_allowed_a_request_that_no_other_allows()
-> Result<()> {
    let mut needed_by = BTreeMap::new();
    for run in records().await? {
        for permission in run.record.permissions {
            // Without what each emulator puts behind the name that the template gives.
            let place = permission.place.rsplit_once('-').map_or("", |(name, _)| name).to_owned();
            let known = needed_by.entry((place, permission.statement)).or_insert(None);
            *known = known.take().or(permission.needed_by);
        }
    }

    let not_needed: Vec<_> =
        needed_by.iter().filter(|(_, needed_by)| needed_by.is_none()).map(|(which, _)| which).collect();
    assert!(not_needed.is_empty(), "these can be taken away: {not_needed:#?}");
    assert!(needed_by.len() >= 80, "the record has only {} statements", needed_by.len());
    for ((place, statement), needed_by) in &needed_by {
        println!("{place}: {statement}: {}", needed_by.as_deref().unwrap_or_default());
    }
    Ok(())
}
