-- The repayment events that count at as_of, as known at known_at, and whether each was taken back.
--
-- An event counts once, whatever brought it again: in its latest publication. A reversal of what does not count
-- reverses nothing.
with known as (
    select
        e.contributor_id, e.account_ref, e.event_id, e.event_type, e.value_date, e.publication_no, e.batch_id,
        e.record_no, e.amount_sen, e.instalment_due_date, e.new_due_date, e.reverses_event_id, b.as_of,
        row_number() over (
            partition by e.contributor_id, e.event_id
            order by e.publication_no desc, e.batch_id desc, e.record_no desc
            rows between unbounded preceding and current row
        ) as recency
    from known_batches b
    join repayment_events e on e.batch_id = b.batch_id
    where b.counts = 1 and e.known_from <= b.known_at
),
events as (
    select * from known where recency = 1 and value_date <= as_of
),
reversals as (
    select distinct contributor_id, reverses_event_id from events where reverses_event_id is not null
)
select
    e.contributor_id,
    e.account_ref,
    e.event_type,
    e.value_date,
    e.publication_no,
    e.batch_id,
    e.record_no,
    cast(coalesce(e.amount_sen, 0) as decimal(19, 0)) as amount_sen,
    e.instalment_due_date,
    e.new_due_date,
    case when r.reverses_event_id is not null then 1 else 0 end as reversed
from events e
left join reversals r on r.contributor_id = e.contributor_id and r.reverses_event_id = e.event_id
left join events o on o.contributor_id = e.contributor_id and o.event_id = e.reverses_event_id
where e.event_type <> 'PAYMENT_REVERSAL' or o.event_id is not null
