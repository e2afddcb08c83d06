/* SPDX-License-Identifier: MIT */
/* What a client says of its tracepoints and variables before a run (GDB manual, QTDP and others). */
#include <stdlib.h>
#include <string.h>

#include "stub/trace_priv.h"

struct tracepoint *trace_find(struct trace *t, uint32_t number, uint64_t addr)
{
	for (size_t i = 0; i < t->npoints; i++)
		if (t->point[i]->number == number && t->point[i]->addr == addr)
			return t->point[i];
	return NULL;
}

struct tracepoint *trace_find_number(struct trace *t, uint32_t number)
{
	for (size_t i = 0; i < t->npoints; i++)
		if (t->point[i]->number == number)
			return t->point[i];
	return NULL;
}

struct trace_variable *trace_find_variable(struct trace *t, uint32_t number)
{
	for (size_t i = 0; i < t->nvariables; i++)
		if (t->variable[i].number == number)
			return &t->variable[i];
	return NULL;
}

static struct err *store(struct trace *t, size_t len)
{
	if (len > STORE_MAX || t->stored + len > STORE_MAX)
		return err_new(ERR_STATE, "what tracepoints are made of exceeds %u bytes",
			       STORE_MAX);
	t->stored += len;
	return NULL;
}

static struct err *copy_text(struct trace *t, const char *from, size_t len, char **ret)
{
	struct err *err = store(t, len + 1);
	if (err)
		return err;
	*ret = strndup(from, len);
	return *ret ? NULL : &err_nomem;
}

/* LEN,HEX: an expression; its digits are *text. */
static struct err *parse_code(struct trace *t, struct rsp_cursor *args, struct agent_code **ret,
			      char **text)
{
	uint64_t len;

	if (!cur_hex(args, &len) || !cur_char(args, ','))
		return err_new(ERR_PROTO, "malformed expression of a tracepoint");
	if (!len || len > AGENT_BYTES_MAX || len > cur_left(args) / 2)
		return err_new(ERR_PROTO, "an agent expression of 0x%llx bytes is not all there",
			       (unsigned long long)len);
	const char *hex = args->p;
	uint8_t *bytes = malloc(len);
	struct err *err = bytes ? NULL : &err_nomem;
	if (!err && !cur_hexbytes(args, bytes, len))
		err = err_new(ERR_PROTO, "malformed agent expression");
	if (!err)
		err = agent_compile(bytes, len, ret);
	free(bytes);
	if (!err && text)
		err = copy_text(t, hex, len * 2, text);
	return err;
}

/* All but its place, and what it has to do with a run. */
static void empty_point(struct tracepoint *p)
{
	for (size_t i = 0; i < p->nactions; i++) {
		agent_free(p->action[i].code);
		free(p->action[i].text);
	}
	for (size_t i = 0; i < p->nsources; i++) {
		free(p->source[i].type);
		free(p->source[i].text);
	}
	agent_free(p->condition);
	free(p->condition_text);
	free(p->action);
	free(p->source);
	p->condition = NULL;
	p->condition_text = NULL;
	p->action = NULL;
	p->source = NULL;
	p->nactions = p->nsources = 0;
	p->seen_steps = false;
}

static void free_point(struct tracepoint *p)
{
	empty_point(p);
	free(p);
}

void trace_undefine(struct trace *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->npoints; i++)
		free_point(t->point[i]);
	free(t->point);
	t->point = NULL;
	t->npoints = 0;
	for (size_t i = 0; i < t->nvariables; i++) {
		if (t->variable[i].builtin)
			t->variable[kept++] = t->variable[i];
		else
			free(t->variable[i].name);
	}
	t->nvariables = kept;
	t->nreadonly = 0;
	t->stored = 0;
}

/* ---- QTDP ---- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static struct err *parse_registers(struct rsp_cursor *args)
{
	const char *start = args->p;

	while (args->p < args->end && is_hex(*args->p))
		args->p++;
	if (args->p == start)
		return err_new(ERR_PROTO, "malformed registers of a tracepoint");
	return NULL; /* all are recorded: `g' has them all */
}

/* REG,OFFSET,LEN; -1 or ffffffff: no register. */
static struct err *parse_memory(const struct trace *t, struct rsp_cursor *args,
				struct trace_action *a)
{
	uint64_t reg;
	bool minus = cur_char(args, '-');

	if (!cur_hex(args, &reg) || !cur_char(args, ',') || !cur_hex(args, &a->offset) ||
	    !cur_char(args, ',') || !cur_hex(args, &a->len))
		return err_new(ERR_PROTO, "malformed memory of a tracepoint");
	a->absolute = minus || reg >= UINT32_MAX;
	if (!a->absolute && reg >= t->session->target->arch->nregs)
		return err_new(ERR_NOT_FOUND, "no register %#llx", (unsigned long long)reg);
	if (a->len > MEMORY_MAX)
		return err_new(ERR_PROTO, "a tracepoint may record %u bytes at once", MEMORY_MAX);
	a->reg = (uint16_t)reg;
	return NULL;
}

static struct err *parse_action(struct trace *t, struct rsp_cursor *args, struct trace_action *a)
{
	const char *start = args->p;
	struct err *err;

	if (cur_char(args, 'R')) {
		a->kind = 'R';
		err = parse_registers(args);
	} else if (cur_char(args, 'M')) {
		a->kind = 'M';
		err = parse_memory(t, args, a);
	} else if (cur_char(args, 'X')) {
		a->kind = 'X';
		err = parse_code(t, args, &a->code, NULL);
	} else if (cur_char(args, 'L')) {
		err = err_new(ERR_STATE, "static tracepoints want an agent in the program, and "
					 "there is none");
	} else {
		err = err_new(ERR_PROTO, "unknown action of a tracepoint");
	}
	return err ? err : copy_text(t, start, (size_t)(args->p - start), &a->text);
}

static struct err *add_action(struct trace *t, struct tracepoint *p, struct rsp_cursor *args)
{
	struct trace_action a = { .stepping = p->seen_steps };

	if (p->nactions == ACTIONS_MAX)
		return err_new(ERR_PROTO, "more than %u actions of a tracepoint", ACTIONS_MAX);
	struct trace_action *action = reallocarray(p->action, p->nactions + 1, sizeof(a));
	if (!action)
		return &err_nomem;
	p->action = action;
	struct err *err = parse_action(t, args, &a);
	if (err) {
		agent_free(a.code);
		free(a.text);
		return err;
	}
	p->action[p->nactions++] = a;
	return NULL;
}

/* -NUMBER:ADDR:[S]ACTION...[-] */
static struct err *define_actions(struct trace *t, struct tracepoint *p, struct rsp_cursor *args)
{
	struct err *err = NULL;

	while (!err && !cur_end(args)) {
		if (cur_char(args, '-'))
			return cur_end(args)
				       ? NULL
				       : err_new(ERR_PROTO, "malformed actions of a tracepoint");
		if (cur_char(args, 'S'))
			p->seen_steps = true;
		else
			err = add_action(t, p, args);
	}
	if (!err)
		p->whole = true;
	return err;
}

/* What may follow the numbers: F, S and X, each behind a colon. */
static struct err *parse_options(struct trace *t, struct tracepoint *p, struct rsp_cursor *args)
{
	struct err *err = NULL;

	while (!err && cur_char(args, ':')) {
		if (cur_char(args, 'F') || cur_char(args, 'S'))
			return err_new(ERR_STATE,
				       "fast and static tracepoints want an agent in the "
				       "program, and there is none");
		if (!cur_char(args, 'X') || p->condition)
			return err_new(ERR_PROTO, "malformed tracepoint");
		err = parse_code(t, args, &p->condition, &p->condition_text);
	}
	return err;
}

/* :E|D:STEPS:PASSES[...][-] */
static struct err *parse_point(struct trace *t, struct tracepoint *p, struct rsp_cursor *args)
{
	bool enabled = cur_literal(args, ":E:");

	if ((!enabled && !cur_literal(args, ":D:")) || !cur_hex(args, &p->steps) ||
	    !cur_char(args, ':') || !cur_hex(args, &p->passes))
		return err_new(ERR_PROTO, "malformed tracepoint");
	p->enabled = enabled;
	if (p->steps > STEPS_MAX)
		p->steps = STEPS_MAX;
	struct err *err = parse_options(t, p, args);
	if (!err)
		p->whole = !cur_char(args, '-');
	if (!err && !cur_end(args))
		err = err_new(ERR_PROTO, "malformed tracepoint");
	return err;
}

static struct err *define_point(struct trace *t, uint32_t number, uint64_t addr,
				struct rsp_cursor *args, struct tracepoint **ret)
{
	/* gdb defines those that it has again when a library comes, in the middle of a run. */
	*ret = trace_find(t, number, addr);
	if (*ret) {
		empty_point(*ret);
		return parse_point(t, *ret, args);
	}
	if (t->npoints == TRACEPOINTS_MAX)
		return err_new(ERR_STATE, "more than %u tracepoints", TRACEPOINTS_MAX);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers */
	struct tracepoint **all = reallocarray(t->point, t->npoints + 1, sizeof(*all));
	struct tracepoint *p = calloc(1, sizeof(*p));
	if (all)
		t->point = all;
	if (!all || !p) {
		free(p);
		return &err_nomem;
	}
	p->number = number;
	p->addr = addr;
	struct err *err = parse_point(t, p, args);
	if (err) {
		free_point(p);
		return err;
	}
	t->point[t->npoints++] = *ret = p;
	return NULL;
}

struct err *trace_define(struct trace *t, struct rsp_cursor *args)
{
	bool more = cur_char(args, '-');
	struct tracepoint *p = NULL;
	uint64_t number, addr;
	struct err *err;

	if (!cur_hex(args, &number) || !cur_char(args, ':') || !cur_hex(args, &addr) || !number ||
	    number > UINT16_MAX)
		return err_new(ERR_PROTO, "malformed tracepoint");
	if (more) {
		p = trace_find(t, (uint32_t)number, addr);
		if (!p || !cur_char(args, ':'))
			return err_new(ERR_PROTO, "actions of a tracepoint that is not there");
		p->whole = false;
		err = define_actions(t, p, args);
	} else {
		err = define_point(t, (uint32_t)number, addr, args, &p);
	}
	if (!err && t->running && p->whole && p->enabled)
		err = trace_install(t, p);
	return err;
}

/* ---- QTDPsrc, QTDV, QTro ---- */

/* NUMBER:ADDR:TYPE:START:TOTAL:HEX */
struct err *trace_define_source(struct trace *t, struct rsp_cursor *args)
{
	uint64_t number, addr, start, total;
	struct rsp_cursor type;

	if (!cur_hex(args, &number) || !cur_char(args, ':') || !cur_hex(args, &addr) ||
	    !cur_char(args, ':') || !cur_token(args, ':', &type) || !cur_hex(args, &start) ||
	    !cur_char(args, ':') || !cur_hex(args, &total) || !cur_char(args, ':') ||
	    cur_left(args) % 2)
		return err_new(ERR_PROTO, "malformed QTDPsrc");
	struct tracepoint *p = number <= UINT16_MAX ? trace_find(t, (uint32_t)number, addr) : NULL;
	if (!p)
		return err_new(ERR_NOT_FOUND, "no such tracepoint");
	struct trace_source *all = reallocarray(p->source, p->nsources + 1, sizeof(*all));
	if (!all)
		return &err_nomem;
	p->source = all;
	struct trace_source src = { .start = start, .total = total, .len = cur_left(args) / 2 };
	struct err *err = store(t, src.len + sizeof(src));
	if (!err)
		err = copy_text(t, type.p, cur_left(&type), &src.type);
	src.text = malloc(src.len + 1);
	if (!err && !src.text)
		err = &err_nomem;
	if (!err && (!cur_hexbytes(args, src.text, src.len) || !cur_end(args)))
		err = err_new(ERR_PROTO, "malformed QTDPsrc");
	if (err) {
		free(src.type);
		free(src.text);
		return err;
	}
	p->source[p->nsources++] = src;
	return NULL;
}

static struct err *new_variable(struct trace *t, uint32_t number, struct trace_variable **ret)
{
	if (t->nvariables == VARIABLES_MAX)
		return err_new(ERR_STATE, "more than %u variables", VARIABLES_MAX);
	struct trace_variable *all = reallocarray(t->variable, t->nvariables + 1, sizeof(*all));
	if (!all)
		return &err_nomem;
	t->variable = all;
	*ret = &all[t->nvariables++];
	**ret = (struct trace_variable){ .number = number };
	return NULL;
}

/* NUMBER:VALUE:BUILTIN:NAME, in hex; a built-in one keeps its value. */
struct err *trace_define_variable(struct trace *t, struct rsp_cursor *args)
{
	uint64_t number, value, builtin;
	char name[NAME_MAX_BYTES];

	if (!cur_hex(args, &number) || !cur_char(args, ':') || !cur_hex(args, &value) ||
	    !cur_char(args, ':') || !cur_hex(args, &builtin) || !cur_char(args, ':') ||
	    cur_left(args) % 2 || !number || number > UINT16_MAX)
		return err_new(ERR_PROTO, "malformed QTDV");
	size_t len = cur_left(args) / 2;
	if (len >= sizeof(name) || !cur_hexbytes(args, name, len))
		return err_new(ERR_PROTO, "malformed name of a trace state variable");
	name[len] = '\0';
	struct trace_variable *v = trace_find_variable(t, (uint32_t)number);
	struct err *err = v ? NULL : new_variable(t, (uint32_t)number, &v);
	if (err)
		return err;
	if (v->builtin)
		return NULL;
	free(v->name);
	v->name = strdup(name);
	v->initial = v->value = value;
	return v->name ? NULL : &err_nomem;
}

/* START,END[:START,END]... */
struct err *trace_define_readonly(struct trace *t, struct rsp_cursor *args)
{
	struct rsp_cursor one;

	t->nreadonly = 0;
	while (cur_token(args, ':', &one)) {
		struct trace_range r;
		if (!cur_hex(&one, &r.start) || !cur_char(&one, ',') || !cur_hex(&one, &r.end) ||
		    !cur_end(&one))
			return err_new(ERR_PROTO, "malformed QTro");
		if (t->nreadonly == READONLY_MAX)
			return err_new(ERR_PROTO, "more than %u ranges", READONLY_MAX);
		t->readonly[t->nreadonly++] = r;
	}
	return NULL;
}
