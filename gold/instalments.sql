-- How late the instalments of an account were paid, as payments tell.
--
-- An instalment is as late as its last payment that was not taken back. The last 106 of an account are kept: what may
-- have been forgotten is not called on time (`forgotten_months`: the age of the oldest one that is kept).
with told as (
    select
        e.contributor_id,
        e.account_ref,
        e.instalment_due_date,
        d.day_no as due_day,
        d.month_no as due_month,
        max(p.day_no) as paid_day
    from counting_events e
    join calendar d on d.day = e.instalment_due_date
    join calendar p on p.day = e.value_date
    where e.event_type = 'PAYMENT' and e.reversed = 0
    group by e.contributor_id, e.account_ref, e.instalment_due_date, d.day_no, d.month_no
),
kept as (
    select
        t.*,
        case
            when paid_day <= due_day then 0
            when paid_day - due_day > 9999 then 9999
            else paid_day - due_day
        end as days_late,
        row_number() over (
            partition by contributor_id, account_ref order by instalment_due_date desc
            rows between unbounded preceding and current row
        ) as recency
    from told t
),
due as (
    select
        k.contributor_id,
        k.account_ref,
        k.due_day,
        k.days_late,
        case when k.due_day <= c.as_of_day then 1 else 0 end as is_due,
        c.as_of_month - k.due_month as due_age,
        c.as_of_month - r.month_no as reached_age
    from clock c
    cross join kept k
    join calendar r on r.day_no = k.due_day + k.days_late
    where k.recency <= 106
)
select
    contributor_id,
    account_ref,
    case when count(*) >= 106 then max(due_age) end as forgotten_months,
    max(case when is_due = 1 and reached_age < 3 then days_late end) as worst_3m,
    max(case when is_due = 1 and reached_age < 6 then days_late end) as worst_6m,
    max(case when is_due = 1 and reached_age < 12 then days_late end) as worst_12m,
    max(case when is_due = 1 and reached_age < 24 then days_late end) as worst_24m,
    sum(case when is_due = 1 and due_age < 12 then 1 else 0 end) as due_12m,
    sum(case when is_due = 1 and due_age < 12 and days_late = 0 then 1 else 0 end) as on_time_12m,
    min(case when is_due = 1 and days_late >= 30 then due_day end) as first_default_day
from due
group by contributor_id, account_ref
