-- Unknown is not up: an availability that was hardly looked at is no measure, whatever the contract makes of unknown
-- time. Executions have no time between them that could be covered.
select
    months.vendor_id,
    months.month_date,
    cast(null as text) as currency,
    format(
        '%s: probes cover %s %% of %s, at least %s %% are asked for', months.service_id,
        round(months.coverage_pct, 1), to_char(months.month_date, 'YYYY-MM'), cast(:coverage_pct as numeric)
    ) as reason
from facts.fct_availability_months as months
inner join intermediate.current_clauses as clauses
    on months.contract_version_id = clauses.contract_version_id and months.clause_id = clauses.clause_id
where
    months.is_complete
    and clauses.availability_method <> 'executions'
    and months.coverage_pct < :coverage_pct
