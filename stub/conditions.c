/* SPDX-License-Identifier: MIT */
#include "stub/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "stub/agent/agent.h"
#include "stub/breakif.h"
#include "stub/pyregs.h"
#include "stub/session.h"

/* Expressions of one breakpoint, and bytes of bytecode of all. */
#define EXPRESSIONS_MAX 64u
#define BYTES_MAX	(1u << 20)

struct condition {
	enum point_type type;
	uint64_t addr;
	size_t nconds, nall; /* conditions come first, then commands */
	size_t bytes;
	struct agent_code *code[EXPRESSIONS_MAX];
};

struct conditions {
	struct session *session;
	struct target_judge judge;
	struct condition **point; /* sorted by address, then type */
	size_t n, cap, bytes;
	const struct target_hit *hit; /* the one that is being judged */
};

void condition_free(struct condition *c)
{
	for (size_t i = 0; c && i < c->nall; i++)
		agent_free(c->code[i]);
	free(c);
}

/* ---- what comes with a Z ---- */

/* XLEN,BYTES */
static struct err *parse_expression(struct rsp_cursor *args, struct condition *c)
{
	uint64_t len;

	if (!cur_char(args, 'X') || !cur_hex(args, &len) || !cur_char(args, ','))
		return err_new(ERR_PROTO, "malformed condition or command of a breakpoint");
	if (len > AGENT_BYTES_MAX || len > cur_left(args) / 2)
		return err_new(ERR_PROTO, "an agent expression of 0x%llx bytes is not all there",
			       (unsigned long long)len);
	if (c->nall == EXPRESSIONS_MAX)
		return err_new(ERR_PROTO, "more than %u conditions and commands", EXPRESSIONS_MAX);
	uint8_t *bytes = malloc(len + 1);
	struct err *err = bytes ? NULL : &err_nomem;
	if (!err && !cur_hexbytes(args, bytes, len))
		err = err_new(ERR_PROTO, "malformed agent expression");
	if (!err)
		err = agent_compile(bytes, len, &c->code[c->nall]);
	free(bytes);
	if (err)
		return err;
	c->nall++;
	c->bytes += len;
	return NULL;
}

static struct err *parse_all(struct rsp_cursor *args, struct condition *c)
{
	uint64_t persists; /* nothing to do: see session_close() */
	bool commands = false;
	struct err *err = NULL;

	while (!err && !cur_end(args)) {
		(void)cur_char(args, ';');
		if (!commands && cur_literal(args, "cmds:")) {
			commands = true;
			if (!cur_hex(args, &persists) || !cur_char(args, ','))
				return err_new(ERR_PROTO, "malformed commands of a breakpoint");
		}
		err = parse_expression(args, c);
		if (!err && !commands)
			c->nconds++;
	}
	return err;
}

struct err *condition_parse(struct rsp_cursor *args, struct condition **ret)
{
	*ret = NULL;
	if (cur_end(args))
		return NULL;
	struct condition *c = calloc(1, sizeof(*c));
	if (!c)
		return &err_nomem;
	struct err *err = parse_all(args, c);
	if (err)
		condition_free(c);
	else
		*ret = c;
	return err;
}

/* ---- those there are ---- */

/* Where that of @type at @addr is, or belongs. */
static size_t find(const struct conditions *all, enum point_type type, uint64_t addr)
{
	size_t low = 0, high = all->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct condition *c = all->point[mid];
		if (c->addr < addr || (c->addr == addr && c->type < type))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct conditions *all, size_t i, enum point_type type, uint64_t addr)
{
	return i < all->n && all->point[i]->addr == addr && all->point[i]->type == type;
}

static void drop(struct conditions *all, size_t i)
{
	all->bytes -= all->point[i]->bytes;
	condition_free(all->point[i]);
	all->n--;
	memmove(&all->point[i], &all->point[i + 1], (all->n - i) * sizeof(struct condition *));
}

static struct err *add(struct conditions *all, size_t i, struct condition *c)
{
	if (all->bytes + c->bytes > BYTES_MAX)
		return err_new(ERR_STATE, "the conditions of all breakpoints exceed %u bytes",
			       BYTES_MAX);
	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : 16;
		struct condition **point =
			reallocarray(all->point, cap, sizeof(struct condition *));
		if (!point)
			return &err_nomem;
		all->point = point;
		all->cap = cap;
	}
	memmove(&all->point[i + 1], &all->point[i], (all->n - i) * sizeof(struct condition *));
	all->point[i] = c;
	all->n++;
	all->bytes += c->bytes;
	return NULL;
}

struct err *conditions_set(struct conditions *all, enum point_type type, uint64_t addr,
			   struct condition *c)
{
	if (!all)
		return c ? &err_nomem : NULL;
	size_t i = find(all, type, addr);
	if (is_at(all, i, type, addr))
		drop(all, i);
	if (!c)
		return NULL;
	if (type != POINT_SW && type != POINT_HW)
		return err_new(ERR_PROTO, "only breakpoints have conditions");
	c->type = type;
	c->addr = addr;
	return add(all, i, c);
}

void conditions_clear(struct conditions *all)
{
	while (all && all->n)
		drop(all, all->n - 1);
}

const struct target_judge *conditions_judge(const struct conditions *all)
{
	return all && (all->n || breakif_any(all->session)) ? &all->judge : NULL;
}

/* ---- what expressions act on ---- */

/* Registers from the hit itself where they are in it: nothing has to be asked then. */
static struct err *read_reg(void *ctx, uint16_t n, uint64_t *ret)
{
	const struct conditions *all = ctx;
	struct target *t = all->session->target;
	const struct arch *a = t->arch;
	uint8_t value[REG_MAX] = { 0 };
	enum pyreg which;

	if (pyregs_find(all->session, n, &which))
		return pyregs_read_hit(all->session, all->hit, which, ret);
	if (n >= a->nregs)
		return err_new(ERR_NOT_FOUND, "no register %u", n);
	const struct reg *r = &a->regs[n];
	if (r->bits > 64)
		return err_new(ERR_UNSUPPORTED, "%s has %u bits", r->name, r->bits);
	if (r->set == a->regs[a->pc].set && r->offset + r->size <= all->hit->regset_size) {
		arch_reg_get(r, all->hit->regset, value);
	} else {
		struct err *err = target_reg_get(t, all->hit->tid, n, value);
		if (err)
			return err;
	}
	memcpy(ret, value, sizeof(*ret)); /* bits above the register's are zero */
	return NULL;
}

/* Past the cache: a page would be read for a word. */
static struct err *read_mem(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct conditions *all = ctx;
	struct mem *m = &all->session->target->mem;

	if (m->ops->read(m->ctx, addr, buf, len) == len)
		return NULL;
	return err_new(ERR_FAULT, "cannot access memory at 0x%llx", (unsigned long long)addr);
}

static void print(void *ctx, const char *text, size_t len)
{
	const struct conditions *all = ctx;
	session_print_running(all->session, text, len);
}

static const struct agent_ops agent_ops = { .reg = read_reg, .read = read_mem, .print = print };

/* ---- judging ---- */

static void complain(struct conditions *all, const struct condition *c, const char *what,
		     struct err *err)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "Error in %s of the breakpoint at 0x%llx: %s\n", what,
			 (unsigned long long)c->addr, err->msg);

	err_drop(err);
	session_print_running(all->session, text, (size_t)n);
}

/* Whether one is true, or there are none; not being able to say is one of these. */
static bool holds(struct conditions *all, const struct condition *c, const struct agent_ops *ops,
		  void *ctx, bool *failed)
{
	uint64_t value = 0;

	for (size_t i = 0; i < c->nconds; i++) {
		struct err *err = agent_run(c->code[i], ops, ctx, &value);
		if (err) {
			complain(all, c, "a condition", err);
			*failed = true;
			return true;
		}
		if (value)
			return true;
	}
	return !c->nconds;
}

bool conditions_tell(struct conditions *all, enum point_type type, uint64_t addr,
		     const struct agent_ops *ops, void *ctx)
{
	size_t at = all ? find(all, type, addr) : 0;
	bool failed = false;
	uint64_t value;

	if (!all || !is_at(all, at, type, addr))
		return true;
	const struct condition *c = all->point[at];
	if (!holds(all, c, ops, ctx, &failed))
		return false;
	for (size_t i = c->nconds; i < c->nall && !failed; i++) {
		struct err *err = agent_run(c->code[i], ops, ctx, &value);
		failed = err != NULL;
		if (err)
			complain(all, c, "a command", err);
	}
	return failed || c->nall == c->nconds;
}

static bool is_told(void *ctx, const struct target_hit *hit)
{
	struct conditions *all = ctx;

	all->hit = hit;
	/* First, so that commands are not run for what is not told. */
	if (breakif_any(all->session) && !breakif_tells(all->session, hit))
		return false;
	return conditions_tell(all, hit->type, hit->addr, &agent_ops, all);
}

struct err *conditions_create(struct session *s, struct conditions **ret)
{
	struct conditions *all = calloc(1, sizeof(*all));

	if (!all)
		return &err_nomem;
	all->session = s;
	all->judge = (struct target_judge){ .is_told = is_told, .ctx = all };
	*ret = all;
	return NULL;
}

void conditions_destroy(struct conditions *all)
{
	if (!all)
		return;
	conditions_clear(all);
	free(all->point);
	free(all);
}
