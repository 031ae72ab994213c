-- One row per account and holder: as its newest snapshot says and the events since then leave it, and who may see it.
--
-- `population` says how the account counts for its holder: 'seen', 'disputed' (counted, not shown) or 'none' (a
-- guarantee, a cancelled order, withheld, or nothing of it counts).
with restrictions as (
    select
        r.contributor_id,
        r.account_ref,
        max(case r.kind when 'DISPUTED' then 1 else 2 end) as strictness
    from serving_restrictions r
    cross join params p
    where r.opened_at <= p.known_at and (r.lifted_at is null or r.lifted_at > p.known_at)
    group by r.contributor_id, r.account_ref
),
delisted as (
    select d.contributor_id, d.account_ref, max(d.delisted_on) as delisted_on
    from delistings d
    cross join params p
    where d.delisted_at <= p.known_at
    group by d.contributor_id, d.account_ref
),
newest as (
    select
        m.*,
        e.last_value_date,
        e.late_sen,
        e.ending_type,
        e.ended_on,
        e.new_due_date as moved_to,
        e.moved_on,
        e.eased_on,
        coalesce(r.strictness, 0) as strictness,
        d.delisted_on,
        greatest(
            cast(m.outstanding_sen as decimal(38, 0)) + cast(coalesce(e.owed_sen, cast(0 as decimal(38, 0))) as decimal(38, 0)),
            cast(0 as decimal(38, 0))
        ) as owed_now_sen
    from snapshot_months m
    left join event_effects e
        on e.contributor_id = m.contributor_id and e.account_ref = m.account_ref
        and e.value_date > m.as_of_date and (e.since is null or e.since <= m.as_of_date)
    left join restrictions r on r.contributor_id = m.contributor_id and r.account_ref = m.account_ref
    left join delisted d on d.contributor_id = m.contributor_id and d.account_ref = m.account_ref
    where m.newest = 1
),
standing as (
    select
        n.*,
        case when n.last_value_date is null then n.outstanding_sen else cast(n.owed_now_sen as bigint) end as outstanding_now,
        case
            when n.last_value_date is null then n.overdue_sen
            else cast(least(
                greatest(cast(n.overdue_sen as decimal(38, 0)) + n.late_sen, cast(0 as decimal(38, 0))), n.owed_now_sen
            ) as bigint)
        end as overdue_now,
        case
            when n.ended_on is null or n.ended_on <= n.as_of_date then n.status
            when n.ending_type = 'WRITE_OFF' then 'WRITTEN_OFF'
            when n.ending_type = 'CANCELLATION' then 'CANCELLED'
            when n.owed_now_sen > cast(0 as decimal(38, 0)) then 'SETTLED_SHORT'
            else 'SETTLED'
        end as status_now,
        -- A listing is what the newest snapshot asks for, proves and reaches, unless it was taken back since.
        case
            when n.listing_requested = 1 and n.overdue_sen >= 15000 and n.dpd > 60
                and n.status in ('ACTIVE', 'WRITTEN_OFF') and n.settled_date is null
                and (n.delisted_on is null or n.delisted_on < n.as_of_date)
                then n.overdue_sen
        end as listed_sen
    from newest n
)
select
    subject_id,
    contributor_id,
    account_ref,
    case
        when counts = 0 or holder_role = 'GUARANTOR' or status_now = 'CANCELLED' or strictness = 2 then 'none'
        when contributor_dispute or strictness = 1 then 'disputed'
        else 'seen'
    end as population,
    case
        when status_now = 'ACTIVE' or (status_now = 'WRITTEN_OFF' and outstanding_now > 0) then 1
        else 0
    end as is_open,
    case when last_value_date is null then 0 else 1 end as moved_by_events,
    coalesce(last_value_date, as_of_date) as as_of_date,
    cast(extract(year from coalesce(last_value_date, as_of_date)) * 12
        + extract(month from coalesce(last_value_date, as_of_date)) - 1 as bigint) as month_no,
    status_now as status,
    outstanding_now as outstanding_sen,
    overdue_now as overdue_sen,
    case when last_value_date is null or overdue_now > 0 then dpd else 0 end as dpd,
    case
        when last_value_date is null then listed_sen
        when listed_sen is not null and overdue_now > 0 then least(listed_sen, overdue_now)
    end as listed_sen,
    case when moved_on > as_of_date then moved_to else next_due_date end as next_due_date,
    case when restructured or (eased_on is not null and eased_on > as_of_date) then 1 else 0 end as restructured,
    case when hardship then 1 else 0 end as hardship,
    case when legal_action then 1 else 0 end as legal_action,
    product_type,
    portfolio_type,
    opened_date,
    closed_date,
    settled_date,
    write_off_date,
    write_off_amount_sen,
    original_amount_sen,
    credit_limit_sen,
    instalment_amount_sen,
    next_due_amount_sen,
    payment_frequency,
    instalments_total,
    instalments_paid
from standing
