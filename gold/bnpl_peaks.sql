-- The most BNPL accounts that a person had open on any one of the 90 days that end with as_of.
--
-- An account runs from opened_date to the day before it ended: its closed_date, or the oldest report since which it has
-- not been open. Going through the days, an account adds one on the first day on which it is seen to run, and takes one
-- away on the day on which it ended.
with accounts as (
    select
        s.subject_id,
        s.contributor_id,
        s.account_ref,
        s.is_open,
        case when s.closed_date <= k.as_of then s.closed_date end as closed_date,
        s.opened_date,
        k.as_of_day
    from clock k
    cross join account_standings s
    where s.population = 'seen' and s.product_type in ('BNPL_PLAN', 'BNPL_LINE')
),
last_open as (
    select
        m.subject_id,
        m.contributor_id,
        m.account_ref,
        max(case
            when m.status = 'ACTIVE' or (m.status = 'WRITTEN_OFF' and m.outstanding_sen > 0) then m.month_no
        end) as month_no
    from accounts a
    join account_months m
        on m.subject_id = a.subject_id and m.contributor_id = a.contributor_id and m.account_ref = a.account_ref
    where a.is_open = 0 and a.closed_date is null
    group by m.subject_id, m.contributor_id, m.account_ref
),
reported as (
    select m.subject_id, m.contributor_id, m.account_ref, min(m.as_of_date) as ended_on
    from last_open l
    join account_months m
        on m.subject_id = l.subject_id and m.contributor_id = l.contributor_id and m.account_ref = l.account_ref
    where l.month_no is null or m.month_no > l.month_no
    group by m.subject_id, m.contributor_id, m.account_ref
),
spans as (
    select
        a.subject_id,
        a.as_of_day,
        o.day_no as opened_day,
        e.day_no as ended_day
    from reported r
    right join accounts a
        on r.subject_id = a.subject_id and r.contributor_id = a.contributor_id and r.account_ref = a.account_ref
    left join calendar o on o.day = a.opened_date
    left join calendar e on e.day = case when a.is_open = 0 then coalesce(a.closed_date, r.ended_on) end
),
-- From the first day on which the account is seen to run.
runs as (
    select
        subject_id,
        case when opened_day < as_of_day - 89 then as_of_day - 89 else opened_day end as first_day,
        ended_day,
        as_of_day
    from spans
    where opened_day <= as_of_day
),
changes as (
    select subject_id, first_day as day_no, 1 as change from runs where ended_day is null or ended_day > first_day
    union all
    select subject_id, ended_day, -1 from runs where ended_day > first_day and ended_day <= as_of_day
),
days as (
    select subject_id, day_no, sum(change) as change from changes group by subject_id, day_no
),
running as (
    select
        subject_id,
        sum(change) over (
            partition by subject_id order by day_no rows between unbounded preceding and current row
        ) as open_accounts
    from days
)
select subject_id, cast(max(open_accounts) as bigint) as peak
from running
group by subject_id
