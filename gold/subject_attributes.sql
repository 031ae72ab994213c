-- The attributes of every person at as_of, as known at known_at: the names and values of a profile, null where a profile
-- says why it has none. Amounts are whole sen, ratios basis points rounded down.
with accounts as (
    select
        s.*,
        k.as_of,
        k.as_of_day,
        k.as_of_month,
        k.as_of_day - o.day_no as opened_days_ago,
        case when k.as_of_day - r.day_no > 45 then 1 else 0 end as stale,
        case when s.product_type in ('BNPL_PLAN', 'BNPL_LINE') then 1 else 0 end as bnpl,
        case when s.status = 'ACTIVE' and s.outstanding_sen > 0 then 1 else 0 end as paying,
        case when s.portfolio_type = 'REVOLVING' and s.is_open = 1 and s.credit_limit_sen is not null then 1 else 0 end as limited,
        case
            when s.product_type in ('TELCO_POSTPAID', 'TELCO_DEVICE', 'UTILITY_POWER', 'UTILITY_WATER', 'UTILITY_OTHER') then 'TELCO_UTIL'
            when s.product_type = 'RENTAL' then 'RENTAL'
            else 'OTHER'
        end as family,
        cast(extract(year from s.closed_date) * 12 + extract(month from s.closed_date) - 1 as bigint) as closed_month,
        case s.payment_frequency when 'WEEKLY' then 52 when 'BIWEEKLY' then 26 when 'SEMI_MONTHLY' then 24 when 'QUARTERLY' then 4 else 12 end as payments_per_year,
        -- Opened in twelve months: its first instalment falls due within a payment period, if there are others.
        case when s.portfolio_type = 'INSTALMENT' and o.day_no <= k.as_of_day and k.as_of_month - o.month_no < 12 then 1 else 0 end as young,
        case
            when s.payment_frequency = 'ONE_OFF' then null
            else o.day_no + case s.payment_frequency when 'WEEKLY' then 7 when 'BIWEEKLY' then 14 when 'SEMI_MONTHLY' then 16 when 'QUARTERLY' then 92 else 31 end
        end as first_due_by,
        case when s.is_open = 1 and (s.dpd > 0 or s.status = 'WRITTEN_OFF') and k.as_of_month - s.month_no < 12 then 1 else 0 end as late_now,
        i.forgotten_months,
        i.worst_3m as paid_late_3m,
        i.worst_6m as paid_late_6m,
        i.worst_12m as paid_late_12m,
        i.worst_24m as paid_late_24m,
        coalesce(i.due_12m, 0) as instalments_due,
        i.on_time_12m as instalments_on_time,
        i.first_default_day
    from clock k
    cross join account_standings s
    left join calendar o on o.day = s.opened_date
    left join calendar r on r.day = s.as_of_date
    left join instalments i on i.contributor_id = s.contributor_id and i.account_ref = s.account_ref
),
months as (
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
        a.family,
        a.as_of_month - m.month_no as age,
        case when m.status = 'ACTIVE' or (m.status = 'WRITTEN_OFF' and m.outstanding_sen > 0) then 1 else 0 end as is_open,
        -- As it stood at the end of the month three before: the newest month up to then.
        case when a.as_of_month - m.month_no >= 3 and (m.newer_month_no is null or a.as_of_month - m.newer_month_no < 3) then 1 else 0 end as three_before,
        -- Reports of an account that closed in an earlier month repeat its end.
        case when m.status in ('ACTIVE', 'WRITTEN_OFF') or a.closed_month is null or m.month_no <= a.closed_month then 1 else 0 end as observed,
        case when m.dpd = 0 and m.status <> 'WRITTEN_OFF' then 1 else 0 end as on_time
    from accounts a
    join account_months m
        on m.subject_id = a.subject_id and m.contributor_id = a.contributor_id and m.account_ref = a.account_ref
    where a.population = 'seen'
),
by_account as (
    select
        subject_id,
        contributor_id,
        account_ref,
        min(month_no) as oldest_month,
        max(month_no) as newest_month,
        max(case when age < 3 then dpd end) as worst_dpd_3m,
        max(case when age < 6 then dpd end) as worst_dpd_6m,
        max(case when age < 12 then dpd end) as worst_dpd_12m,
        max(case when age < 24 then dpd end) as worst_dpd_24m,
        min(case when age < 24 and dpd >= 1 then age end) as months_since_last_dpd1,
        min(case when age < 24 and dpd >= 30 then age end) as months_since_last_dpd30,
        max(three_before) as known_before,
        sum(case when three_before = 1 and is_open = 1 then cast(overdue_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as overdue_before,
        max(case when three_before = 1 and is_open = 1 then dpd end) as dpd_before,
        sum(case when age < 12 and observed = 1 then on_time else 0 end) as on_time_months,
        sum(case when age < 12 and observed = 1 then 1 else 0 end) as observed_months,
        min(case when status = 'WRITTEN_OFF' then as_of_date end) as written_off_reported,
        min(case when status = 'SETTLED' then as_of_date end) as settled_reported,
        min(case when status = 'SETTLED_SHORT' then as_of_date end) as settled_short_reported
    from months
    group by subject_id, contributor_id, account_ref
),
-- What was owed when a write-off was first reported.
written_off as (
    select m.subject_id, m.contributor_id, m.account_ref, max(m.outstanding_sen) as outstanding_sen
    from by_account b
    join months m
        on m.subject_id = b.subject_id and m.contributor_id = b.contributor_id and m.account_ref = b.account_ref
        and m.as_of_date = b.written_off_reported
    where m.status = 'WRITTEN_OFF'
    group by m.subject_id, m.contributor_id, m.account_ref
),
-- The oldest day on which the reports of a late month say that something was unpaid.
unpaid_since as (
    select m.subject_id, m.contributor_id, m.account_ref, min(d.day_no - m.dpd) as day_no
    from accounts a
    join months m
        on m.subject_id = a.subject_id and m.contributor_id = a.contributor_id and m.account_ref = a.account_ref
    join calendar d on d.day = m.as_of_date
    where a.young = 1 and m.dpd >= 30
    group by m.subject_id, m.contributor_id, m.account_ref
),
ends as (
    select
        a.*,
        case
            when a.young = 0 then 0
            when u.day_no is not null and (a.instalments_paid = 0 or a.first_due_by is null or u.day_no <= a.first_due_by) then 1
            when a.first_default_day is not null and (a.first_due_by is null or a.first_default_day <= a.first_due_by) then 1
            else 0
        end as first_payment_default,
        case when a.instalments_due > 0 then a.instalments_due + a.late_now else b.observed_months end as due_items,
        case when a.instalments_due > 0 then a.instalments_on_time else b.on_time_months end as on_time_items,
        b.oldest_month, b.newest_month, b.worst_dpd_3m, b.worst_dpd_6m, b.worst_dpd_12m, b.worst_dpd_24m,
        b.months_since_last_dpd1, b.months_since_last_dpd30, b.known_before, b.overdue_before, b.dpd_before,
        b.on_time_months, b.observed_months,
        case when a.write_off_date <= a.as_of then a.write_off_date else b.written_off_reported end as written_off_on,
        coalesce(a.write_off_amount_sen, w.outstanding_sen, 0) as written_off_sen,
        case
            when a.status not in ('SETTLED', 'SETTLED_SHORT') then null
            when coalesce(a.settled_date, a.closed_date) <= a.as_of then coalesce(a.settled_date, a.closed_date)
            when a.status = 'SETTLED' then b.settled_reported
            else b.settled_short_reported
        end as settled_on
    from accounts a
    left join by_account b
        on b.subject_id = a.subject_id and b.contributor_id = a.contributor_id and b.account_ref = a.account_ref
    left join written_off w
        on w.subject_id = a.subject_id and w.contributor_id = a.contributor_id and w.account_ref = a.account_ref
    left join unpaid_since u
        on u.subject_id = a.subject_id and u.contributor_id = a.contributor_id and u.account_ref = a.account_ref
),
-- Every sum and maximum per contributor first, so that contributors are counted without a list of them.
by_contributor as (
    select
        subject_id,
        contributor_id,
        as_of,
        as_of_month,
        sum(case when population = 'seen' then 1 else 0 end) as seen,
        sum(case when population = 'disputed' then 1 else 0 end) as disputed,
        sum(case when population = 'seen' and is_open = 1 then 1 else 0 end) as open_accounts,
        sum(case when population = 'seen' and is_open = 1 and bnpl = 1 then 1 else 0 end) as open_bnpl,
        sum(case when population = 'seen' and is_open = 1 then cast(outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as outstanding,
        sum(case when population = 'seen' and is_open = 1 and bnpl = 1 then cast(outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as bnpl_outstanding,
        sum(case when population = 'seen' and is_open = 1 then cast(overdue_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as overdue,
        sum(case when population = 'seen' and limited = 1 then cast(credit_limit_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as credit_limit,
        sum(case when population = 'seen' and limited = 1 then cast(outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as used,
        sum(case
            when population = 'seen' and paying = 1 and instalment_amount_sen is not null
                then cast(cast(instalment_amount_sen as decimal(19, 0)) * cast(payments_per_year as decimal(2, 0)) as decimal(38, 0))
            else cast(0 as decimal(38, 0))
        end) as yearly_payments,
        sum(case when population = 'seen' and paying = 1 and next_due_date is not null then 1 else 0 end) as scheduled,
        max(case when population = 'seen' and is_open = 1 then dpd end) as worst_dpd,
        max(worst_dpd_3m) as worst_dpd_3m,
        max(case when population = 'seen' then paid_late_3m end) as paid_late_3m,
        max(worst_dpd_6m) as worst_dpd_6m,
        max(case when population = 'seen' then paid_late_6m end) as paid_late_6m,
        max(worst_dpd_12m) as worst_dpd_12m,
        max(case when population = 'seen' then paid_late_12m end) as paid_late_12m,
        max(worst_dpd_24m) as worst_dpd_24m,
        max(case when population = 'seen' then paid_late_24m end) as paid_late_24m,
        sum(case when worst_dpd_12m >= 30 then 1 else 0 end) as cnt_30p,
        sum(case when worst_dpd_12m >= 60 then 1 else 0 end) as cnt_60p,
        sum(case when worst_dpd_12m >= 90 then 1 else 0 end) as cnt_90p,
        min(months_since_last_dpd1) as months_since_last_dpd1,
        min(months_since_last_dpd30) as months_since_last_dpd30,
        max(known_before) as known_before,
        sum(coalesce(overdue_before, cast(0 as decimal(38, 0)))) as overdue_before,
        max(dpd_before) as dpd_before,
        -- How far back instalments reach of which everything is known.
        min(case when population = 'seen' then forgotten_months end) as forgotten_months,
        sum(case when population = 'seen' then coalesce(on_time_items, 0) else 0 end) as on_time_items,
        sum(case when population = 'seen' then coalesce(due_items, 0) else 0 end) as due_items,
        sum(case when population = 'seen' then first_payment_default else 0 end) as first_payment_defaults,
        sum(case when family = 'TELCO_UTIL' then coalesce(on_time_months, 0) else 0 end) as telco_util_on_time,
        sum(case when family = 'TELCO_UTIL' then coalesce(observed_months, 0) else 0 end) as telco_util_observed,
        sum(case when family = 'RENTAL' then coalesce(on_time_months, 0) else 0 end) as rental_on_time,
        sum(case when family = 'RENTAL' then coalesce(observed_months, 0) else 0 end) as rental_observed,
        sum(case when population = 'seen' and opened_days_ago between 0 and 29 then 1 else 0 end) as opened_30d,
        sum(case when population = 'seen' and opened_days_ago between 0 and 89 then 1 else 0 end) as opened_90d,
        sum(case when population = 'seen' and opened_days_ago between 0 and 179 then 1 else 0 end) as opened_180d,
        sum(case when population = 'seen' and opened_days_ago between 0 and 29 and original_amount_sen is not null then cast(original_amount_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as originated_30d,
        sum(case when population = 'seen' and as_of_month - (extract(year from written_off_on) * 12 + extract(month from written_off_on) - 1) < 24 then 1 else 0 end) as written_off_24m,
        sum(case when population = 'seen' and as_of_month - (extract(year from written_off_on) * 12 + extract(month from written_off_on) - 1) < 24 then cast(written_off_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as written_off_sen_24m,
        sum(case when population = 'seen' and status = 'SETTLED' and as_of_month - (extract(year from settled_on) * 12 + extract(month from settled_on) - 1) < 12 then 1 else 0 end) as settled_12m,
        sum(case when population = 'seen' and status = 'SETTLED_SHORT' and as_of_month - (extract(year from settled_on) * 12 + extract(month from settled_on) - 1) < 24 then 1 else 0 end) as settled_short_24m,
        sum(case when population = 'seen' and is_open = 1 then restructured else 0 end) as restructured_open,
        sum(case when population = 'seen' and is_open = 1 then hardship else 0 end) as hardship_open,
        sum(case when population = 'seen' and is_open = 1 then legal_action else 0 end) as legal_action_open,
        sum(case when population = 'seen' and is_open = 1 and listed_sen is not null then 1 else 0 end) as listings,
        sum(case when population = 'seen' and is_open = 1 and listed_sen is not null then cast(listed_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as listed,
        min(case when population = 'seen' then opened_date end) as first_opened,
        min(case when population = 'seen' then opened_days_ago end) as newest_opened_days_ago,
        min(oldest_month) as oldest_month,
        max(newest_month) as newest_month,
        max(case when population = 'seen' then as_of_date end) as newest_as_of,
        min(case when population = 'seen' and is_open = 1 then as_of_date end) as oldest_as_of,
        sum(case when population = 'seen' and is_open = 1 then stale else 0 end) as stale_accounts,
        max(case when population = 'seen' and family = 'TELCO_UTIL' then 1 else 0 end) as any_telco_util,
        max(case when population = 'seen' and family = 'RENTAL' then 1 else 0 end) as any_rental
    from ends
    group by subject_id, contributor_id, as_of, as_of_month
),
by_subject as (
    select
        subject_id,
        as_of,
        as_of_month,
        cast(sum(seen) as bigint) as seen,
        sum(disputed) as disputed,
        sum(case when seen > 0 then 1 else 0 end) as contributors,
        sum(open_accounts) as open_accounts,
        sum(open_bnpl) as open_bnpl,
        sum(case when open_accounts > 0 then 1 else 0 end) as open_contributors,
        sum(case when open_bnpl > 0 then 1 else 0 end) as bnpl_contributors,
        sum(outstanding) as outstanding,
        sum(bnpl_outstanding) as bnpl_outstanding,
        sum(overdue) as overdue,
        sum(credit_limit) as credit_limit,
        sum(used) as used,
        sum(yearly_payments) as yearly_payments,
        sum(scheduled) as scheduled,
        max(worst_dpd) as worst_dpd,
        max(worst_dpd_3m) as worst_dpd_3m,
        max(paid_late_3m) as paid_late_3m,
        max(worst_dpd_6m) as worst_dpd_6m,
        max(paid_late_6m) as paid_late_6m,
        max(worst_dpd_12m) as worst_dpd_12m,
        max(paid_late_12m) as paid_late_12m,
        max(worst_dpd_24m) as worst_dpd_24m,
        max(paid_late_24m) as paid_late_24m,
        sum(cnt_30p) as cnt_30p,
        sum(cnt_60p) as cnt_60p,
        sum(cnt_90p) as cnt_90p,
        min(months_since_last_dpd1) as months_since_last_dpd1,
        min(months_since_last_dpd30) as months_since_last_dpd30,
        max(known_before) as known_before,
        sum(overdue_before) as overdue_before,
        max(dpd_before) as dpd_before,
        min(forgotten_months) as forgotten_months,
        sum(on_time_items) as on_time_items,
        sum(due_items) as due_items,
        sum(first_payment_defaults) as first_payment_defaults,
        sum(telco_util_on_time) as telco_util_on_time,
        sum(telco_util_observed) as telco_util_observed,
        sum(rental_on_time) as rental_on_time,
        sum(rental_observed) as rental_observed,
        sum(opened_30d) as opened_30d,
        sum(opened_90d) as opened_90d,
        sum(opened_180d) as opened_180d,
        sum(originated_30d) as originated_30d,
        sum(written_off_24m) as written_off_24m,
        sum(written_off_sen_24m) as written_off_sen_24m,
        sum(settled_12m) as settled_12m,
        sum(settled_short_24m) as settled_short_24m,
        sum(restructured_open) as restructured_open,
        sum(hardship_open) as hardship_open,
        sum(legal_action_open) as legal_action_open,
        sum(listings) as listings,
        sum(listed) as listed,
        min(first_opened) as first_opened,
        min(newest_opened_days_ago) as newest_opened_days_ago,
        coalesce(max(newest_month) - min(oldest_month) + 1, 0) as history_months,
        max(newest_as_of) as newest_as_of,
        min(oldest_as_of) as oldest_as_of,
        sum(stale_accounts) as stale_accounts,
        max(any_telco_util) as any_telco_util,
        max(any_rental) as any_rental
    from by_contributor
    group by subject_id, as_of, as_of_month
),
calendar_months as (
    select subject_id, sum(clean) as clean_months, count(*) as known_months
    from (
        select subject_id, month_no, min(on_time) as clean
        from months
        where age < 12 and observed = 1
        group by subject_id, month_no
    ) observed_months
    group by subject_id
),
persons as (
    select subject_id from by_subject
    union
    select subject_id from applications_made
),
same_day_opens as (
    select subject_id, max(opened) as opened
    from (
        select subject_id, opened_date, count(*) as opened
        from accounts
        where population = 'seen' and opened_days_ago between 0 and 29
        group by subject_id, opened_date
    ) days
    group by subject_id
)
select
    n.subject_id,
    case
        when disputed > 0 then 'PARTIAL'
        when coalesce(seen, 0) = 0 and coalesce(a.applications_90d, 0) = 0 then 'NO_HIT'
        when coalesce(history_months, 0) < 3 then 'THIN'
        else 'HIT'
    end as hit_status,
    case when seen > 0 then cast(open_accounts as bigint) end as active_account_count,
    case when seen > 0 then cast(open_bnpl as bigint) end as active_bnpl_plan_count,
    case when seen > 0 then cast(open_contributors as bigint) end as active_contributor_count,
    case when seen > 0 then cast(outstanding as bigint) end as total_outstanding,
    case when seen > 0 then cast(bnpl_outstanding as bigint) end as bnpl_outstanding,
    case when seen > 0 then cast(overdue as bigint) end as total_overdue,
    case when seen > 0 then cast(credit_limit as bigint) end as total_limit,
    case
        when credit_limit > cast(0 as decimal(38, 0))
            then cast(floor(cast(used as double) * 10000 / cast(credit_limit as double)) as bigint)
    end as utilisation_bps,
    -- Twelve months carry a year's payments: a twelfth, half-even to sen.
    case
        when seen > 0 then cast(
            cast(cast(yearly_payments as bigint) - cast(yearly_payments as bigint) % 12 as double) / 12 as bigint)
            + case
                when cast(yearly_payments as bigint) % 12 > 6 then 1
                when cast(yearly_payments as bigint) % 12 = 6
                    and cast(yearly_payments as bigint) % 24 = 18 then 1
                else 0
            end
    end as monthly_obligation,
    case
        when coalesce(seen, 0) = 0 or (scheduled > 0 and p.any_fresh = 0) then null
        else coalesce(p.due_14d_sen, 0)
    end as due_next_14d,
    case
        when coalesce(seen, 0) = 0 or (scheduled > 0 and p.any_fresh = 0) then null
        else coalesce(p.due_30d_sen, 0)
    end as due_next_30d,
    worst_dpd as current_worst_dpd,
    case
        when forgotten_months < 3 then null
        when worst_dpd_3m is null or paid_late_3m > worst_dpd_3m then paid_late_3m
        else worst_dpd_3m
    end as worst_dpd_3m,
    case
        when forgotten_months < 6 then null
        when worst_dpd_6m is null or paid_late_6m > worst_dpd_6m then paid_late_6m
        else worst_dpd_6m
    end as worst_dpd_6m,
    case
        when forgotten_months < 12 then null
        when worst_dpd_12m is null or paid_late_12m > worst_dpd_12m then paid_late_12m
        else worst_dpd_12m
    end as worst_dpd_12m,
    case
        when forgotten_months < 24 then null
        when worst_dpd_24m is null or paid_late_24m > worst_dpd_24m then paid_late_24m
        else worst_dpd_24m
    end as worst_dpd_24m,
    case when seen > 0 then cast(cnt_30p as bigint) end as cnt_30p_12m,
    case when seen > 0 then cast(cnt_60p as bigint) end as cnt_60p_12m,
    case when seen > 0 then cast(cnt_90p as bigint) end as cnt_90p_12m,
    case when seen > 0 then cast(first_payment_defaults as bigint) end as first_payment_default_12m,
    months_since_last_dpd1,
    months_since_last_dpd30,
    case when known_before = 1 then cast(overdue as bigint) - cast(overdue_before as bigint) end as overdue_trend_3m,
    case when known_before = 1 then coalesce(worst_dpd, 0) - coalesce(dpd_before, 0) end as dpd_trend_3m,
    case
        when forgotten_months < 12 then null
        when due_items > 0 then cast(floor(cast(on_time_items * 10000 as double) / cast(due_items as double)) as bigint)
    end as on_time_ratio_12m,
    case when seen > 0 and (forgotten_months is null or forgotten_months >= 12) then cast(on_time_items as bigint) end as on_time_ratio_12m_num,
    case when seen > 0 and (forgotten_months is null or forgotten_months >= 12) then cast(due_items as bigint) end as on_time_ratio_12m_den,
    case when seen > 0 then cast(coalesce(c.clean_months, 0) as bigint) end as months_no_arrears_12m,
    case when seen > 0 then cast(coalesce(c.known_months, 0) as bigint) end as months_no_arrears_12m_den,
    case when telco_util_observed > 0 then cast(floor(cast(telco_util_on_time * 10000 as double) / cast(telco_util_observed as double)) as bigint) end as telco_util_on_time_12m,
    case when rental_observed > 0 then cast(floor(cast(rental_on_time * 10000 as double) / cast(rental_observed as double)) as bigint) end as rental_on_time_12m,
    coalesce(a.applications_7d, 0) as applications_7d,
    coalesce(a.applications_30d, 0) as applications_30d,
    coalesce(a.applications_90d, 0) as applications_90d,
    coalesce(a.applied_contributors_30d, 0) as applied_contributors_30d,
    case when seen > 0 then cast(opened_30d as bigint) end as opened_30d,
    case when seen > 0 then cast(opened_90d as bigint) end as opened_90d,
    case when seen > 0 then cast(opened_180d as bigint) end as opened_180d,
    case when seen > 0 then cast(originated_30d as bigint) end as originated_amount_30d,
    case when seen > 0 then coalesce(b.peak, 0) end as max_concurrent_bnpl_90d,
    case when seen > 0 then cast(bnpl_contributors as bigint) end as stacking_contributors_now,
    case when seen > 0 then cast(coalesce(d.opened, 0) as bigint) end as same_day_opens_30d,
    case when seen > 0 then cast(written_off_24m as bigint) end as write_off_count_24m,
    case when seen > 0 then cast(written_off_sen_24m as bigint) end as write_off_amount_24m,
    case when seen > 0 then cast(settled_12m as bigint) end as settled_count_12m,
    case when seen > 0 then cast(settled_short_24m as bigint) end as settled_short_24m,
    case when seen > 0 then cast(restructured_open as bigint) end as restructured_open,
    case when seen > 0 then cast(hardship_open as bigint) end as hardship_open,
    case when seen > 0 then cast(legal_action_open as bigint) end as legal_action_open,
    case when seen > 0 then cast(listings as bigint) end as listing_count,
    case when seen > 0 then cast(listed as bigint) end as listing_amount,
    -- Whole months: one that is not over does not count.
    cast(case
        when first_opened > s.as_of then 0
        else s.as_of_month - (extract(year from first_opened) * 12 + extract(month from first_opened) - 1)
            - case when extract(day from s.as_of) < extract(day from first_opened) then 1 else 0 end
    end as bigint) as oldest_account_months,
    case when newest_opened_days_ago < 0 then 0 else newest_opened_days_ago end as newest_account_days,
    cast(coalesce(history_months, 0) as bigint) as history_months,
    cast(coalesce(contributors, 0) as bigint) as contributors_seen,
    coalesce(history_months, 0) < 3 as thin_file,
    cast(coalesce(disputed, 0) as bigint) as disputed_account_count,
    cast(coalesce(disputed, 0) as bigint) as hidden_item_count,
    newest_as_of,
    oldest_as_of,
    cast(coalesce(stale_accounts, 0) as bigint) as stale_accounts
from persons n
left join by_subject s on s.subject_id = n.subject_id
left join applications_made a on a.subject_id = n.subject_id
left join payments_due p on p.subject_id = n.subject_id
left join bnpl_peaks b on b.subject_id = n.subject_id
left join calendar_months c on c.subject_id = n.subject_id
left join same_day_opens d on d.subject_id = n.subject_id
order by n.subject_id
