-- How often each person applied for credit in the days that end with as_of. What was decided is told to nobody; an
-- application that was withdrawn is none.
--
-- The latest word on an application counts. Several with one contributor on one day in Malaysia count once.
with bounds as (
    select f.starts_at as first_at, l.ends_at as end_at
    from clock k
    join calendar f on f.day_no = k.as_of_day - 89
    join calendar l on l.day_no = k.as_of_day
),
words as (
    select
        a.subject_id,
        a.contributor_id,
        a.applied_at,
        a.decision,
        b.counts,
        row_number() over (
            partition by a.subject_id, a.contributor_id, a.application_ref
            order by b.counts desc, a.publication_no desc, a.record_no desc, a.batch_id desc
            rows between unbounded preceding and current row
        ) as recency
    from bounds o
    cross join known_batches b
    join applications a on a.batch_id = b.batch_id
    where a.known_from <= b.known_at and a.holder_role in ('PRIMARY', 'JOINT')
        and a.applied_at >= o.first_at and a.applied_at < o.end_at
),
last_days as (
    select k.as_of_day - d.day_no as days_ago, d.starts_at, d.ends_at
    from clock k
    join calendar d on d.day_no > k.as_of_day - 90 and d.day_no <= k.as_of_day
),
days as (
    select
        w.subject_id,
        w.contributor_id,
        d.days_ago,
        -- A person all of whose applications stopped counting is still to be told of.
        max(case when w.counts = 1 and w.decision <> 'WITHDRAWN' then 1 else 0 end) as applied
    from last_days d
    join words w on d.starts_at <= w.applied_at and w.applied_at < d.ends_at
    where w.recency = 1
    group by w.subject_id, w.contributor_id, d.days_ago
),
by_contributor as (
    select
        subject_id,
        contributor_id,
        sum(case when days_ago < 7 then applied else 0 end) as applications_7d,
        sum(case when days_ago < 30 then applied else 0 end) as applications_30d,
        sum(applied) as applications_90d
    from days
    group by subject_id, contributor_id
)
select
    subject_id,
    cast(sum(applications_7d) as bigint) as applications_7d,
    cast(sum(applications_30d) as bigint) as applications_30d,
    cast(sum(applications_90d) as bigint) as applications_90d,
    cast(sum(case when applications_30d > 0 then 1 else 0 end) as bigint) as applied_contributors_30d
from by_contributor
group by subject_id
