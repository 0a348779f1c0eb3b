{# What an engine runs; `pid$target` and `raptors$target` are those of the process given with -p. #}
{% set round = "round_number" if in_rounds else "0" %}
#pragma D option quiet
#pragma D option zdefs

int on;
{% if in_rounds %}
int round_number;

{{ probe("round__entry") }} /(int){{ argument("round__entry.kind") }} >= {{ first_kind }}/ {
	round_number = ((int){{ argument("round__entry.index") }} * 2 + (int){{ argument("round__entry.side") }}) * 2 + ((int){{ argument("round__entry.kind") }} - {{ first_kind }});
	on = 1;
}
{{ probe("round__return") }} { on = 0; }
{% else %}
{# See `Session::watch`. #}
syscall::getpriority:entry /pid == {{ us }}/ { on = (int)arg0 == 0; @m[(int)arg0] = count(); }
{% endif %}
{% if extension %}
{{ probe("backend__entry") }} /on/ {
	@b[{{ round }}, {{ argument("backend__entry.backend") }}, (int64_t){{ argument("backend__entry.n") }}] = count();
	self->t0 = timestamp;
}
{{ probe("backend__return") }} /self->t0/ {
	@bt[{{ round }}, {{ argument("backend__return.backend") }}] = sum(timestamp - self->t0);
	self->t0 = 0;
}
{% endif %}
{% for point in points %}
{{ point.place }}:entry /on/ {
	@c[{{ round }}, {{ point.site }}, {{ point.values|join(", ") }}] = count();
	self->t{{ point.site }} = timestamp;
}
{{ point.place }}:return /self->t{{ point.site }}/ {
	@t[{{ round }}, {{ point.site }}] = sum(timestamp - self->t{{ point.site }});
	self->t{{ point.site }} = 0;
}
{% endfor %}
dtrace:::END {
{# An aggregation that no clause fills is none that could be printed. #}
{% if points %}
	printa("c %d %d %d %d %d %d %@d\n", @c);
	printa("t %d %d %@d\n", @t);
{% endif %}
{% if extension %}
	printa("b %d %s %d %@d\n", @b);
	printa("bt %d %s %@d\n", @bt);
{% endif %}
{% if not in_rounds %}
	printa("m %d %@d\n", @m);
{% endif %}
}
