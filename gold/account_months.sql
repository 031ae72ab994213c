-- The 24 months of each account and holder that a profile speaks of, as events leave them.
--
-- The day of the last event joins the months as if it had been reported: it replaces the newest month when it lies in
-- the same one, and else stands before it. What is 24 months or more older than the newest month is left out.
with moved as (
    select subject_id, contributor_id, account_ref, as_of_date, month_no, status, dpd, outstanding_sen, overdue_sen
    from account_standings
    where moved_by_events = 1 and population = 'seen'
),
reported as (
    select
        m.subject_id,
        m.contributor_id,
        m.account_ref,
        m.as_of_date,
        m.month_no,
        m.status,
        m.dpd,
        m.outstanding_sen,
        m.overdue_sen,
        case when m.newest = 1 then v.month_no else m.newer_month_no end as newer_month_no,
        coalesce(v.month_no, m.newest_month_no) as newest_month_no
    from snapshot_months m
    left join moved v
        on v.subject_id = m.subject_id and v.contributor_id = m.contributor_id and v.account_ref = m.account_ref
    where m.counts = 1 and (v.month_no is null or v.month_no <> m.month_no)
)
select
    subject_id, contributor_id, account_ref, as_of_date, month_no, newer_month_no, status, dpd, outstanding_sen,
    overdue_sen
from reported
where month_no > newest_month_no - 24
union all
select
    subject_id, contributor_id, account_ref, as_of_date, month_no, cast(null as bigint) as newer_month_no, status, dpd,
    outstanding_sen, overdue_sen
from moved
