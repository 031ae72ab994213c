-- The records that have a later version than their first, and the latest one. They are few: a first version bears the
-- place of its batch. A later version may name another person, so this is asked of all people at once.
select s.batch_id, s.record_no, max(s.publication_no) as publication_no
from known_batches b
join account_snapshots s on s.batch_id = b.batch_id
where s.publication_no > b.place and s.known_from <= b.known_at
group by s.batch_id, s.record_no
