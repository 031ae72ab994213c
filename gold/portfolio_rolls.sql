-- Where accounts went from one month to the next, by product and contributor: from which bucket into which. Accounts that
-- were not reported in the next month are in no row.
with steps as (
    select
        a.subject_id,
        a.product_type,
        a.contributor_id,
        a.bucket as from_bucket,
        a.is_open,
        a.month_no,
        a.outstanding_sen,
        max(a.month_no) over (
            partition by a.subject_id, a.contributor_id, a.account_ref order by a.month_no
            rows between 1 following and 1 following
        ) as next_month_no,
        max(a.bucket) over (
            partition by a.subject_id, a.contributor_id, a.account_ref order by a.month_no
            rows between 1 following and 1 following
        ) as to_bucket
    from portfolio_accounts a
),
people as (
    select
        month_no,
        product_type,
        contributor_id,
        from_bucket,
        to_bucket,
        subject_id,
        count(*) as accounts,
        sum(cast(outstanding_sen as decimal(38, 0))) as outstanding_sen
    from steps
    where is_open = 1 and next_month_no = month_no + 1
    group by month_no, product_type, contributor_id, from_bucket, to_bucket, subject_id
)
select
    -- The month that they went to.
    c.day as month,
    p.product_type,
    p.contributor_id,
    p.from_bucket,
    p.to_bucket,
    cast(count(*) as bigint) as subjects,
    cast(sum(accounts) as bigint) as accounts,
    cast(sum(outstanding_sen) as bigint) as outstanding_sen
from people p
join calendar c on c.month_no = p.month_no + 1 and c.day_of_month = 1
group by c.day, p.product_type, p.contributor_id, p.from_bucket, p.to_bucket
