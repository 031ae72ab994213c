-- What the events of an account do to a snapshot, by the day of the snapshot.
--
-- One row per account and day of events: what the events of that day and later add up to. It belongs to the snapshots
-- from the day of events before it (`since`, inclusive) until the day before `value_date`.
with days as (
    select
        contributor_id,
        account_ref,
        value_date,
        cast(sum(case
            when event_type in ('PAYMENT', 'REFUND', 'FEE_WAIVER', 'SETTLEMENT', 'RECOVERY')
                then cast(-amount_sen as decimal(19, 0))
            when event_type in ('ORIGINATED', 'PAYMENT_REVERSAL', 'FEE') then cast(amount_sen as decimal(19, 0))
            else cast(0 as decimal(19, 0))
        end) as decimal(28, 0)) as owed_sen,
        cast(sum(case
            when event_type in ('PAYMENT', 'REFUND', 'FEE_WAIVER', 'SETTLEMENT', 'RECOVERY')
                then cast(-amount_sen as decimal(19, 0))
            when event_type = 'PAYMENT_REVERSAL' then cast(amount_sen as decimal(19, 0))
            else cast(0 as decimal(19, 0))
        end) as decimal(28, 0)) as late_sen
    from counting_events
    group by contributor_id, account_ref, value_date
),
sums as (
    select
        contributor_id,
        account_ref,
        value_date,
        max(value_date) over (
            partition by contributor_id, account_ref order by value_date desc
            rows between 1 following and 1 following
        ) as since,
        first_value(value_date) over (
            partition by contributor_id, account_ref order by value_date desc
            rows between unbounded preceding and current row
        ) as last_value_date,
        cast(sum(owed_sen) over (
            partition by contributor_id, account_ref order by value_date desc
            rows between unbounded preceding and current row
        ) as decimal(38, 0)) as owed_sen,
        cast(sum(late_sen) over (
            partition by contributor_id, account_ref order by value_date desc
            rows between unbounded preceding and current row
        ) as decimal(38, 0)) as late_sen
    from days
),
-- The last event of a kind counts for every snapshot before it.
marked as (
    select
        contributor_id,
        account_ref,
        event_type,
        value_date,
        new_due_date,
        case
            when event_type in ('SETTLEMENT', 'WRITE_OFF', 'CANCELLATION') then 'ending'
            when event_type = 'RESCHEDULE' then 'moving'
            else 'easing'
        end as kind,
        publication_no,
        record_no,
        batch_id
    from counting_events
    where (event_type in ('SETTLEMENT', 'WRITE_OFF', 'CANCELLATION') and reversed = 0)
        or (event_type = 'RESCHEDULE' and new_due_date is not null)
        or event_type = 'RESTRUCTURE'
),
last_of_kind as (
    select
        contributor_id,
        account_ref,
        event_type,
        value_date,
        new_due_date,
        kind,
        row_number() over (
            partition by contributor_id, account_ref, kind
            order by value_date desc, publication_no desc, record_no desc, batch_id desc
            rows between unbounded preceding and current row
        ) as recency
    from marked
),
kinds as (
    select
        contributor_id,
        account_ref,
        max(case when kind = 'ending' then event_type end) as ending_type,
        max(case when kind = 'ending' then value_date end) as ended_on,
        max(case when kind = 'moving' then new_due_date end) as new_due_date,
        max(case when kind = 'moving' then value_date end) as moved_on,
        max(case when kind = 'easing' then value_date end) as eased_on
    from last_of_kind
    where recency = 1
    group by contributor_id, account_ref
)
select
    s.contributor_id,
    s.account_ref,
    s.since,
    s.value_date,
    s.last_value_date,
    s.owed_sen,
    s.late_sen,
    k.ending_type,
    k.ended_on,
    k.new_due_date,
    k.moved_on,
    k.eased_on
from sums s
left join kinds k on k.contributor_id = s.contributor_id and k.account_ref = s.account_ref
