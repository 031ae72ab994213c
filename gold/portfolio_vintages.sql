-- Of the accounts opened in a month, how many had ever been 30 and 90 days late after so many months on book, up to 60, by
-- product and contributor. Written off counts as late. The accounts of a vintage are all that were ever reported.
with accounts as (
    select
        subject_id,
        contributor_id,
        account_ref,
        max(opened_month_no) as opened_month_no,
        max(product_type) as product_type,
        min(case when bucket in ('DPD_30_59', 'DPD_60_89', 'DPD_90_PLUS', 'WRITTEN_OFF') then month_no end) as first_30_plus,
        min(case when bucket in ('DPD_90_PLUS', 'WRITTEN_OFF') then month_no end) as first_90_plus
    from portfolio_accounts
    group by subject_id, contributor_id, account_ref
),
cells as (
    select
        opened_month_no,
        product_type,
        contributor_id,
        first_30_plus - opened_month_no as months_to_30_plus,
        first_90_plus - opened_month_no as months_to_90_plus,
        count(*) as accounts
    from accounts
    group by opened_month_no, product_type, contributor_id, first_30_plus, first_90_plus
),
people as (
    select opened_month_no, product_type, contributor_id, count(*) as subjects
    from (select distinct opened_month_no, product_type, contributor_id, subject_id from accounts) holders
    group by opened_month_no, product_type, contributor_id
),
ages as (
    -- 0 to 60, from as many days.
    select k.as_of_month, k.as_of_day - d.day_no as months_on_book
    from clock k
    join calendar d on d.day_no >= k.as_of_day - 60 and d.day_no <= k.as_of_day
),
curves as (
    select
        v.opened_month_no,
        v.product_type,
        v.contributor_id,
        a.months_on_book,
        sum(v.accounts) as accounts,
        sum(case when v.months_to_30_plus <= a.months_on_book then v.accounts else 0 end) as ever_30_plus_accounts,
        sum(case when v.months_to_90_plus <= a.months_on_book then v.accounts else 0 end) as ever_90_plus_accounts
    from ages a
    join cells v on v.opened_month_no + a.months_on_book <= a.as_of_month
    group by v.opened_month_no, v.product_type, v.contributor_id, a.months_on_book
)
select
    c.day as opened_month,
    v.months_on_book,
    v.product_type,
    v.contributor_id,
    cast(p.subjects as bigint) as subjects,
    cast(v.accounts as bigint) as accounts,
    cast(v.ever_30_plus_accounts as bigint) as ever_30_plus_accounts,
    cast(v.ever_90_plus_accounts as bigint) as ever_90_plus_accounts
from curves v
join people p
    on p.opened_month_no = v.opened_month_no and p.product_type = v.product_type and p.contributor_id = v.contributor_id
join calendar c on c.month_no = v.opened_month_no and c.day_of_month = 1
