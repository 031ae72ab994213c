-- One row per account and calendar month as its contributor reported it: what portfolios are added up from.
--
-- An account belongs to its primary holder, so that nothing is counted twice. Orders that were cancelled and accounts in
-- dispute are left out. Events are not added: a month is what was said at its end.
select
    m.subject_id,
    m.contributor_id,
    m.account_ref,
    m.product_type,
    m.month_no,
    cast(extract(year from m.opened_date) * 12 + extract(month from m.opened_date) - 1 as bigint) as opened_month_no,
    case when m.status = 'ACTIVE' or (m.status = 'WRITTEN_OFF' and m.outstanding_sen > 0) then 1 else 0 end as is_open,
    case
        when m.status = 'WRITTEN_OFF' then 'WRITTEN_OFF'
        when m.status <> 'ACTIVE' then 'ENDED'
        when m.dpd = 0 then 'CURRENT'
        when m.dpd < 30 then 'DPD_1_29'
        when m.dpd < 60 then 'DPD_30_59'
        when m.dpd < 90 then 'DPD_60_89'
        else 'DPD_90_PLUS'
    end as bucket,
    m.outstanding_sen,
    m.overdue_sen
from snapshot_months m
where m.counts = 1 and m.holder_role = 'PRIMARY' and m.status <> 'CANCELLED' and not m.contributor_dispute
