-- One row per account, holder and calendar month: the record that counts for it, newest month marked.
--
-- Of a record its newest version counts, unless that is withdrawn, while its batch counts. Of a month the later day
-- counts; on one day the batch published later; within a batch the primary holder's record, then the later one. All
-- months up to as_of are here; the facts of the account as such stand on its newest month alone. A person all of whose
-- records stopped counting keeps one row per account with counts = 0, so that this can be told of them.
with versions as (
    select
        s.*,
        b.place,
        b.as_of,
        case
            when b.counts = 1 and not s.withdrawn and s.publication_no = coalesce(r.publication_no, b.place) then 1
            else 0
        end as counts,
        case s.holder_role when 'PRIMARY' then 1 when 'JOINT' then 2 else 3 end as role_rank,
        cast(extract(year from s.as_of_date) * 12 + extract(month from s.as_of_date) - 1 as bigint) as month_no
    from known_batches b
    join account_snapshots s on s.batch_id = b.batch_id
    left join revisions r on r.batch_id = s.batch_id and r.record_no = s.record_no
    where s.known_from <= b.known_at and s.as_of_date <= b.as_of
),
ordered as (
    select
        v.*,
        row_number() over (
            partition by v.subject_id, v.contributor_id, v.account_ref
            order by v.counts desc, v.as_of_date desc, v.place desc, v.role_rank, v.record_no desc, v.publication_no desc
            rows between unbounded preceding and current row
        ) as recency,
        -- The month of the record before: another month for the first record of a month.
        max(v.month_no) over (
            partition by v.subject_id, v.contributor_id, v.account_ref
            order by v.counts desc, v.as_of_date desc, v.place desc, v.role_rank, v.record_no desc, v.publication_no desc
            rows between 1 preceding and 1 preceding
        ) as newer_month_no,
        first_value(v.month_no) over (
            partition by v.subject_id, v.contributor_id, v.account_ref
            order by v.counts desc, v.as_of_date desc, v.place desc, v.role_rank, v.record_no desc, v.publication_no desc
            rows between unbounded preceding and current row
        ) as newest_month_no
    from versions v
)
select
    subject_id,
    contributor_id,
    account_ref,
    counts,
    case when recency = 1 then 1 else 0 end as newest,
    as_of,
    as_of_date,
    month_no,
    newer_month_no,
    newest_month_no,
    holder_role,
    product_type,
    status,
    cast(dpd as bigint) as dpd,
    outstanding_sen,
    overdue_sen,
    opened_date,
    contributor_dispute,
    case when recency = 1 then portfolio_type end as portfolio_type,
    case when recency = 1 then closed_date end as closed_date,
    case when recency = 1 then settled_date end as settled_date,
    case when recency = 1 then write_off_date end as write_off_date,
    case when recency = 1 then write_off_amount_sen end as write_off_amount_sen,
    case when recency = 1 then original_amount_sen end as original_amount_sen,
    case when recency = 1 then credit_limit_sen end as credit_limit_sen,
    case when recency = 1 then instalment_amount_sen end as instalment_amount_sen,
    case when recency = 1 then payment_frequency end as payment_frequency,
    case when recency = 1 then instalments_total end as instalments_total,
    case when recency = 1 then instalments_paid end as instalments_paid,
    case when recency = 1 then next_due_date end as next_due_date,
    case when recency = 1 then next_due_amount_sen end as next_due_amount_sen,
    case when recency = 1 then restructured end as restructured,
    case when recency = 1 then hardship end as hardship,
    case when recency = 1 then legal_action end as legal_action,
    case when recency = 1 and listing_requested and evidence_ref is not null then 1 else 0 end as listing_requested
from ordered
where recency = 1 or (counts = 1 and newer_month_no <> month_no)
