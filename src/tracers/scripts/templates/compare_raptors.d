${scale__entry}
{
	raptors_seen = 1;
	seen = 1;
	self->scale++;
	this->b = @SIDE@;
	@a["raptors scale"] = sum(1 - this->b);
	@b["raptors scale"] = sum(this->b);
	@a_shapes["raptors scale", (int64_t)${scale__entry.n}, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0,
	    (int64_t)${scale__entry.factor_bits}] = sum(1 - this->b);
	@b_shapes["raptors scale", (int64_t)${scale__entry.n}, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0, (int64_t)0,
	    (int64_t)${scale__entry.factor_bits}] = sum(this->b);
}

${chunk__entry}
{
	self->scale++;
}

${scale__return},
${chunk__return}
/self->scale/
{
	self->scale--;
}

/* A string cannot be read where its page is not in memory: DTrace leaves the clause, and a dash stands for it. */
${dispatch}
{
	this->backend = "-";
	this->reason = "-";
}

${dispatch}
{
	this->backend = ${dispatch.backend};
	this->reason = ${dispatch.reason};
}

${dispatch}
{
	@dispatched[this->backend, this->reason, ${dispatch.threads}, ${dispatch.n}] = count();
}

