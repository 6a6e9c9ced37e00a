-- A month of samples, made apart and attached by the role that lands them, as the loader does it.
set role avoir_loader;
create table {{ partition }} (like raw_prometheus.samples);
alter table raw_prometheus.samples
attach partition {{ partition }} for values from ('{{ month }} 00:00:00+00') to ('{{ following }} 00:00:00+00');
reset role
