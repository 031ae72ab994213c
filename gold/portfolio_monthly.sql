-- What is open at the end of each month, by product and contributor. `subjects` are the people behind a row: rows of fewer
-- than ten are shown to nobody.
with people as (
    select
        a.month_no,
        a.product_type,
        a.contributor_id,
        a.subject_id,
        count(*) as accounts,
        sum(cast(a.outstanding_sen as decimal(38, 0))) as outstanding_sen,
        sum(cast(a.overdue_sen as decimal(38, 0))) as overdue_sen,
        sum(case when a.bucket = 'CURRENT' then 1 else 0 end) as current_accounts,
        sum(case when a.bucket = 'DPD_1_29' then 1 else 0 end) as dpd_1_29_accounts,
        sum(case when a.bucket = 'DPD_30_59' then 1 else 0 end) as dpd_30_59_accounts,
        sum(case when a.bucket = 'DPD_60_89' then 1 else 0 end) as dpd_60_89_accounts,
        sum(case when a.bucket = 'DPD_90_PLUS' then 1 else 0 end) as dpd_90_plus_accounts,
        sum(case when a.bucket = 'WRITTEN_OFF' then 1 else 0 end) as written_off_accounts,
        sum(case when a.bucket = 'CURRENT' then cast(a.outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as current_sen,
        sum(case when a.bucket = 'DPD_1_29' then cast(a.outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as dpd_1_29_sen,
        sum(case when a.bucket = 'DPD_30_59' then cast(a.outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as dpd_30_59_sen,
        sum(case when a.bucket = 'DPD_60_89' then cast(a.outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as dpd_60_89_sen,
        sum(case when a.bucket = 'DPD_90_PLUS' then cast(a.outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as dpd_90_plus_sen,
        sum(case when a.bucket = 'WRITTEN_OFF' then cast(a.outstanding_sen as decimal(38, 0)) else cast(0 as decimal(38, 0)) end) as written_off_sen
    from portfolio_accounts a
    where a.is_open = 1
    group by a.month_no, a.product_type, a.contributor_id, a.subject_id
)
select
    c.day as month,
    p.product_type,
    p.contributor_id,
    cast(count(*) as bigint) as subjects,
    cast(sum(accounts) as bigint) as accounts,
    cast(sum(outstanding_sen) as bigint) as outstanding_sen,
    cast(sum(overdue_sen) as bigint) as overdue_sen,
    cast(sum(current_accounts) as bigint) as current_accounts,
    cast(sum(dpd_1_29_accounts) as bigint) as dpd_1_29_accounts,
    cast(sum(dpd_30_59_accounts) as bigint) as dpd_30_59_accounts,
    cast(sum(dpd_60_89_accounts) as bigint) as dpd_60_89_accounts,
    cast(sum(dpd_90_plus_accounts) as bigint) as dpd_90_plus_accounts,
    cast(sum(written_off_accounts) as bigint) as written_off_accounts,
    cast(sum(current_sen) as bigint) as current_sen,
    cast(sum(dpd_1_29_sen) as bigint) as dpd_1_29_sen,
    cast(sum(dpd_30_59_sen) as bigint) as dpd_30_59_sen,
    cast(sum(dpd_60_89_sen) as bigint) as dpd_60_89_sen,
    cast(sum(dpd_90_plus_sen) as bigint) as dpd_90_plus_sen,
    cast(sum(written_off_sen) as bigint) as written_off_sen
from people p
join calendar c on c.month_no = p.month_no and c.day_of_month = 1
group by c.day, p.product_type, p.contributor_id
