-- The batches that are known of at known_at, and whether each counts.
--
-- A batch counts when the latest change that was known of it is its publication. `place` is where its records stand
-- among those of the same day. The parameters ride along, so that the large tables meet them by the join on the batch.
select
    batch_id,
    coalesce(publication_no, cast(0 as bigint)) as place,
    case when state in ('published', 'curated') then 1 else 0 end as counts,
    as_of,
    known_at
from (
    select
        b.batch_id,
        b.publication_no,
        b.state,
        p.as_of,
        p.known_at,
        row_number() over (
            partition by b.batch_id order by b.known_from desc, b.transition_no desc
            rows between unbounded preceding and current row
        ) as recency
    from params p
    cross join batches b
    where b.known_from <= p.known_at
) changes
where recency = 1
union all
-- Months from before there was a journal: no batch brought them, and they always count.
select
    '00000000-0000-0000-0000-000000000000' as batch_id,
    cast(0 as bigint) as place,
    1 as counts,
    as_of,
    known_at
from params
