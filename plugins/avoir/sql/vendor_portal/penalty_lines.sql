create or replace view vendor_portal.penalty_lines with (security_barrier) as
select
    lines.penalty_line_id,
    lines.line_kind,
    lines.vendor_id,
    lines.contract_id,
    lines.contract_version_id,
    lines.service_id,
    lines.clause_id,
    lines.month_date,
    lines.origin_month_date,
    lines.is_complete,
    lines.indicator,
    lines.event_id,
    lines.subject_name,
    lines.measured_value,
    lines.measured_unit,
    lines.formula,
    lines.base_kind,
    lines.base_amount,
    lines.band_no,
    lines.unit_quantity,
    lines.points_value,
    lines.formula_amount,
    lines.failing_month_no,
    lines.repeat_multiplier,
    lines.repeated_amount,
    lines.uncumulated_amount,
    lines.event_cap_amount,
    lines.event_capped_amount,
    lines.period_capped_amount,
    lines.rolling_capped_amount,
    lines.unexempted_amount,
    lines.index_coefficient,
    lines.indexed_amount,
    lines.earned_back_amount,
    lines.credit_amount,
    lines.settlement_document,
    lines.vat_treatment,
    lines.currency
from mart.fct_penalty_lines as lines
where lines.vendor_id = (
    select own.vendor_id from access.vendor_roles as own where own.role_name = current_user
);
comment on view vendor_portal.penalty_lines is
'One row per penalty line of the vendor who asks, with the amount after every step of its contract, to the credit.';
