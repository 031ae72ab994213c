-- The day that is asked about, in the counts of the calendar.
select p.as_of, p.known_at, c.day_no as as_of_day, c.month_no as as_of_month, c.day_of_month as as_of_day_of_month
from params p
join calendar c on c.day = p.as_of
