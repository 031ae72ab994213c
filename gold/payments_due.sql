-- What falls due for each person in the 14 and in the 30 days after as_of.
--
-- The payments of a schedule lie at next_due_date and in steps of payment_frequency after it, 64 at most and no more
-- than are left. They are counted, not listed: schedules by the month by the month, others by the day. Twice a month is
-- two series by the month, the second one fifteen days behind the first.
with schedules as (
    select
        s.subject_id,
        s.contributor_id,
        s.account_ref,
        s.outstanding_sen,
        s.payment_frequency,
        case when k.as_of_day - r.day_no <= 45 then 1 else 0 end as fresh,
        n.day_no as first_day,
        n.month_no as first_month,
        n.day_of_month,
        k.as_of_day,
        coalesce(s.next_due_amount_sen, s.instalment_amount_sen, 0) as first_amount_sen,
        coalesce(s.instalment_amount_sen, s.next_due_amount_sen, 0) as later_amount_sen,
        case
            when s.payment_frequency is null or s.payment_frequency = 'ONE_OFF' then 1
            else 64
        end as most,
        case
            when s.instalments_total is null or s.instalments_paid is null then 64
            when s.instalments_total > s.instalments_paid then s.instalments_total - s.instalments_paid
            else 0
        end as remaining,
        case s.payment_frequency when 'WEEKLY' then 7 when 'BIWEEKLY' then 14 else 0 end as step_days,
        case s.payment_frequency when 'MONTHLY' then 1 when 'SEMI_MONTHLY' then 1 when 'QUARTERLY' then 3 else 0 end as step_months
    from clock k
    cross join account_standings s
    join calendar n on n.day = s.next_due_date
    join calendar r on r.day = s.as_of_date
    where s.population = 'seen' and s.status = 'ACTIVE' and s.outstanding_sen > 0
),
-- (after, until] of each window; series 1 is that of the second payment of a month, fifteen days earlier.
windows as (
    select
        w.days,
        w.series,
        a.day_no as after_day,
        a.month_no as after_month,
        -- The last day of a month stands for every day that the month does not have.
        case when a.last_of_month then 31 else a.day_of_month end as after_day_of_month,
        u.day_no as until_day,
        u.month_no as until_month,
        case when u.last_of_month then 31 else u.day_of_month end as until_day_of_month
    from clock k
    cross join (
        select 14 as days, 0 as series, 0 as shift
        union all select 30 as days, 0 as series, 0 as shift
        union all select 14 as days, 1 as series, 15 as shift
        union all select 30 as days, 1 as series, 15 as shift
    ) w
    join calendar a on a.day_no = k.as_of_day - w.shift
    join calendar u on u.day_no = k.as_of_day + w.days - w.shift
),
-- The numbers of the first and last step that lie in the window, whatever the schedule has.
steps as (
    select
        s.*,
        w.days,
        w.series,
        case when s.payment_frequency = 'SEMI_MONTHLY' then 2 else 1 end as series_count,
        case
            when s.step_months > 0 then ceil(cast(
                w.after_month + case when s.day_of_month > w.after_day_of_month then 0 else 1 end - s.first_month
                as double) / s.step_months)
            when s.step_days > 0 then floor(cast(w.after_day - s.first_day as double) / s.step_days) + 1
            when s.first_day > w.after_day then 0
            else 1
        end as first_step,
        case
            when s.step_months > 0 then floor(cast(
                w.until_month - case when s.day_of_month <= w.until_day_of_month then 0 else 1 end - s.first_month
                as double) / s.step_months)
            when s.step_days > 0 then floor(cast(w.until_day - s.first_day as double) / s.step_days)
            when s.first_day <= w.until_day then 0
            else -1
        end as last_step
    from windows w
    cross join schedules s
    where w.series = 0 or s.payment_frequency = 'SEMI_MONTHLY'
),
counted as (
    select
        s.*,
        case when series = 0 and first_step <= 0 and last_step >= 0 and least(most, remaining) > 0 then 1 else 0 end as first_payments,
        cast(greatest(
            0,
            1 + least(
                cast(last_step as double),
                floor(cast(least(most, remaining) - 1 - series as double) / series_count)
            ) - greatest(cast(first_step as double), cast(case when series = 0 then 1 else 0 end as double))
        ) as bigint) as later_payments
    from steps s
),
due as (
    select
        subject_id,
        contributor_id,
        account_ref,
        fresh,
        days,
        least(
            sum(cast(
                cast(first_payments as decimal(19, 0)) * cast(first_amount_sen as decimal(19, 0))
                + cast(later_payments as decimal(19, 0)) * cast(later_amount_sen as decimal(19, 0))
            as decimal(38, 0))),
            cast(max(outstanding_sen) as decimal(38, 0))
        ) as due_sen
    from counted
    group by subject_id, contributor_id, account_ref, fresh, days
)
select
    subject_id,
    max(fresh) as any_fresh,
    cast(sum(case when days = 14 and fresh = 1 then due_sen else cast(0 as decimal(38, 0)) end) as bigint) as due_14d_sen,
    cast(sum(case when days = 30 and fresh = 1 then due_sen else cast(0 as decimal(38, 0)) end) as bigint) as due_30d_sen
from due
group by subject_id
