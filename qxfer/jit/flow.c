/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/flow.h"

#include <stdlib.h>
#include <string.h>

#define RERUNS	  6u /* to leave out calls that do not return */
#define ZERO_RUN  8u /* so many zero bytes are no code */
#define NO_NODE	  0u
#define ALIGNMENT 16u
#define POPS_MAX  16u

/* An instruction that was met. */
struct node {
	struct insn in;
	struct flow_state state;
	uint32_t at;
	uint32_t after_call; /* the node of the call right before it, or NO_NODE */
	bool no_return;
	bool queued;
};

struct flow {
	struct insn_decoder *decoder;
	uint32_t *node_at; /* by offset */
	size_t nodes_at_cap;
	struct node *node; /* node[0] is unused */
	size_t n, cap;
	uint32_t *queue;
	size_t nqueued, queue_cap;
	const struct flow_code *code;
	bool again;  /* something was found by which all is to be done anew */
	bool framed; /* it is jumped to from within a frame, which it leaves */
	bool failed;
};

struct err *flow_create(struct flow **ret)
{
	const char *why;
	if (!insn_available(&why))
		return err_new(ERR_UNSUPPORTED, "%s", why);
	struct flow *f = calloc(1, sizeof(*f));
	if (f)
		f->decoder = insn_decoder_create();
	if (!f || !f->decoder) {
		free(f);
		return &err_nomem;
	}
	*ret = f;
	return NULL;
}

void flow_destroy(struct flow *f)
{
	if (!f)
		return;
	insn_decoder_destroy(f->decoder);
	free(f->node_at);
	free(f->node);
	free(f->queue);
	free(f);
}

bool flow_has_frame(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 4 <= len; i++)
		if (p[i] == 0x55 && p[i + 1] == 0x48 &&
		    ((p[i + 2] == 0x89 && p[i + 3] == 0xe5) ||
		     (p[i + 2] == 0x8b && p[i + 3] == 0xec)))
			return true;
	return false;
}

/* ---- nodes ---- */

static bool is_zeros(const struct flow_code *c, uint32_t at)
{
	static const uint8_t zeros[ZERO_RUN];
	return c->len - at >= ZERO_RUN && memcmp(c->bytes + at, zeros, ZERO_RUN) == 0;
}

static bool grow(struct flow *f)
{
	if (f->n < f->cap)
		return true;
	size_t cap = f->cap ? f->cap * 2 : 1024;
	struct node *node = reallocarray(f->node, cap, sizeof(*node));
	if (!node) {
		f->failed = true;
		return false;
	}
	f->node = node;
	f->cap = cap;
	return true;
}

/* The instruction at @at; NO_NODE: out of memory. */
static uint32_t node_at(struct flow *f, uint32_t at)
{
	const struct flow_code *c = f->code;
	if (f->node_at[at] != NO_NODE || !grow(f))
		return f->node_at[at];
	struct node *node = &f->node[f->n];
	*node = (struct node){ .at = at };
	if (is_zeros(c, at))
		node->in = (struct insn){ .op = INSN_BAD, .len = 1 };
	else
		insn_decode(f->decoder, c->bytes + at, c->len - at, &node->in);
	f->node_at[at] = (uint32_t)f->n++;
	return f->node_at[at];
}

static void enqueue(struct flow *f, uint32_t number)
{
	if (f->node[number].queued)
		return;
	if (f->nqueued == f->queue_cap) {
		size_t cap = f->queue_cap ? f->queue_cap * 2 : 1024;
		uint32_t *queue = reallocarray(f->queue, cap, sizeof(*queue));
		if (!queue) {
			f->failed = true;
			return;
		}
		f->queue = queue;
		f->queue_cap = cap;
	}
	f->node[number].queued = true;
	f->queue[f->nqueued++] = number;
}

/* ---- where ways meet ---- */

static bool is_same(const struct flow_state *a, const struct flow_state *b)
{
	return a->cfa == b->cfa && a->sp_known == b->sp_known && a->sp == b->sp &&
	       a->base == b->base && a->ra_kind == b->ra_kind && a->ra_reg == b->ra_reg &&
	       a->copy_at == b->copy_at && a->indexed == b->indexed &&
	       a->saved_disp == b->saved_disp && memcmp(a->at, b->at, sizeof(a->at)) == 0;
}

/* The call before @to does not return: what comes after it belongs to something else. */
static void blame_call(struct flow *f, uint32_t call)
{
	if (call == NO_NODE || f->node[call].no_return)
		return;
	f->node[call].no_return = true;
	f->again = true;
}

/*
 * The loop that copies words, the return address first, to where room was made below: it is entered
 * with nothing copied and an index of 0, and goes round with an index that is not.
 */
static bool merge_copying(struct flow_state *was, const struct flow_state *now)
{
	if (was->cfa == FLOW_ALIAS && now->cfa == FLOW_SP) {
		*was = *now;
		if (now->indexed)
			was->cfa = FLOW_INDEX;
		return true;
	}
	if ((was->cfa == FLOW_ALIAS || (was->cfa == FLOW_SP && was->indexed)) &&
	    now->cfa == FLOW_INDEX) {
		*was = *now;
		return true;
	}
	return false;
}

static bool is_conflict(const struct flow_state *was, const struct flow_state *now)
{
	if (was->cfa == FLOW_INDEX && (now->indexed || now->cfa == FLOW_ALIAS))
		return false;
	if (was->cfa != now->cfa)
		return true;
	return was->cfa == FLOW_SP && was->ra_kind == JIT_RA_AT_CFA &&
	       now->ra_kind == JIT_RA_AT_CFA && was->sp != now->sp;
}

/* What was saved on one way only is not known to be saved. */
static bool forget_saved(struct flow_state *was, const struct flow_state *now)
{
	bool changed = false;
	for (unsigned int i = 1; i < JIT_SAVED; i++) {
		if (was->at[i] && was->at[i] != now->at[i]) {
			was->at[i] = 0;
			changed = true;
		}
	}
	return changed;
}

/* Control comes to @to in the state @now. */
static void arrive(struct flow *f, uint32_t to, const struct flow_state *now)
{
	struct node *node = &f->node[to];
	struct flow_state *was = &node->state;

	if (!was->seen || (was->guess && !now->guess && !is_same(was, now))) {
		*was = *now;
		enqueue(f, to);
		return;
	}
	if (is_same(was, now) || (now->guess && !was->guess))
		return;
	if (!now->guess && merge_copying(was, now)) {
		enqueue(f, to);
		return;
	}
	if (is_conflict(was, now)) {
		if (!now->guess)
			blame_call(f, node->after_call);
		return;
	}
	bool changed = forget_saved(was, now);
	if (was->copy_at && was->copy_at != now->copy_at) {
		was->copy_at = 0;
		changed = true;
	}
	if (was->cfa == FLOW_FP && was->sp_known && (!now->sp_known || was->sp != now->sp)) {
		was->sp_known = false;
		changed = true;
	}
	if (changed)
		enqueue(f, to);
}

static void go_to(struct flow *f, const struct node *from, int64_t offset,
		  const struct flow_state *now)
{
	int64_t at = (int64_t)from->at + offset;
	if (at < 0 || at >= f->code->len)
		return;
	uint32_t number = (uint32_t)(from - f->node); /* the nodes may move */
	bool call = from->in.op == INSN_CALL;
	uint32_t to = node_at(f, (uint32_t)at);
	if (to == NO_NODE)
		return;
	if (call)
		f->node[to].after_call = number;
	arrive(f, to, now);
}

/*
 * leave, or mov %rbp,%rsp, where rbp still is what it was at the entry: V8's BaselineLeaveFrame,
 * which baseline code ends with by a jump.
 */
static bool leaves_others_frame(const struct flow_state *s, const struct insn *in)
{
	bool leaves = in->op == INSN_LEAVE ||
		      (in->op == INSN_MOV && in->dst == JIT_RSP && in->src == JIT_RBP);
	return leaves && s->cfa == FLOW_SP && !s->guess && !s->at[0] && !(s->modified & 1);
}

/*
 * A frame of unknown depth was left (the one that DeoptimizationEntry_Eager builds for others to
 * return to): where nothing but pops comes before the ret, they say how far up the return address is.
 */
static void settle_by_return(struct flow *f, const struct node *node, struct flow_state *s)
{
	struct insn in;
	int32_t sp = 8;
	uint32_t at = node->at + node->in.len;
	for (unsigned int i = 0; i < POPS_MAX && at < f->code->len; i++, at += in.len) {
		insn_decode(f->decoder, f->code->bytes + at, f->code->len - at, &in);
		if (in.op == INSN_END) {
			s->sp = sp;
			return;
		}
		if (in.op == INSN_POP)
			sp += 8;
		else if (in.op != INSN_MOV || in.dst != JIT_NO_REG)
			return;
	}
}

static bool leaves_unknown_depth(const struct flow_state *s, const struct insn *in)
{
	return in->op == INSN_POP && in->dst == JIT_RBP && s->cfa == FLOW_FP && !s->sp_known;
}

static void visit(struct flow *f, uint32_t number)
{
	struct node *node = &f->node[number];
	const struct insn in = node->in;
	struct flow_state s = node->state;

	node->queued = false;
	if (!f->framed && leaves_others_frame(&s, &in)) {
		f->framed = true;
		f->again = true;
	}
	if (in.op == INSN_BAD || in.op == INSN_END || (in.op == INSN_CALL && node->no_return))
		return;
	bool settle = leaves_unknown_depth(&s, &in);
	flow_effect(&s, &in, f->code->baseline);
	if (settle)
		settle_by_return(f, node, &s);
	if ((in.op == INSN_JUMP || in.op == INSN_BRANCH) && in.has_target)
		go_to(f, &f->node[number], in.target, &s);
	if (in.op != INSN_JUMP)
		go_to(f, &f->node[number], in.len, &s);
}

static void drain(struct flow *f)
{
	while (f->nqueued && !f->failed)
		visit(f, f->queue[--f->nqueued]);
}

static void enter(struct flow *f, uint32_t at, const struct flow_state *state)
{
	uint32_t number = node_at(f, at);
	if (number == NO_NODE || f->node[number].state.seen)
		return;
	f->node[number].state = *state;
	enqueue(f, number);
}

/* ---- what nothing leads to ---- */

static bool is_padding(const struct flow_code *c, uint32_t at)
{
	uint8_t b = c->bytes[at];
	bool next_zero = at + 1 >= c->len || c->bytes[at + 1] == 0;
	return b == 0xcc || b == 0x90 ||
	       (b == 0 && (next_zero || (at > 0 && c->bytes[at - 1] == 0)));
}

/* A jump at the begin of a piece is a way out, as in a jump table: no frame there. */
static bool is_stub(const struct flow_code *c, uint32_t at)
{
	const uint8_t *p = c->bytes + at;
	uint32_t left = c->len - at;
	return p[0] == 0xe9 || (p[0] == 0xff && left > 1 && (p[1] & 0x38) == 0x20) ||
	       (p[0] == 0x68 && left > 5 && p[5] == 0xe9);
}

static void guess(struct flow *f, uint32_t at, bool framed)
{
	struct flow_state s = framed && (f->code->whole || !is_stub(f->code, at))
				      ? flow_frame_state()
				      : flow_entry_state();
	s.guess = true;
	enter(f, at, &s);
	drain(f);
}

static void visit_rest(struct flow *f)
{
	const struct flow_code *c = f->code;
	bool framed = c->baseline || (!c->several && flow_has_frame(c->bytes, c->len));

	for (uint32_t at = 0; at < c->len && !f->failed;) {
		const struct node *node = &f->node[f->node_at[at]];
		if (f->node_at[at] != NO_NODE && node->state.seen) {
			at += node->in.len;
		} else if (is_padding(c, at)) {
			at++;
		} else {
			guess(f, at, framed);
			at += f->node_at[at] != NO_NODE ? f->node[f->node_at[at]].in.len : 1;
		}
	}
}

/* ---- all of it ---- */

static bool open_code(struct flow *f, const struct flow_code *c)
{
	f->code = c;
	f->failed = false;
	f->nqueued = 0;
	f->n = 1;
	if (!f->cap && !grow(f))
		return false;
	if (f->nodes_at_cap < c->len) {
		uint32_t *more = reallocarray(f->node_at, c->len, sizeof(*more));
		if (!more)
			return false;
		f->node_at = more;
		f->nodes_at_cap = c->len;
	}
	memset(f->node_at, 0, c->len * sizeof(*f->node_at));
	f->node[0] = (struct node){ 0 };
	return true;
}

static void run_once(struct flow *f)
{
	const struct flow_state entry = f->framed ? flow_frame_state() : flow_entry_state();

	f->again = false;
	for (size_t i = 1; i < f->n; i++) {
		f->node[i].state = (struct flow_state){ 0 };
		f->node[i].queued = false;
	}
	f->nqueued = 0;
	enter(f, 0, &entry);
	for (size_t i = 0; i < f->code->nentries; i++)
		if (f->code->entry[i] < f->code->len)
			enter(f, f->code->entry[i], &entry);
	drain(f);
	visit_rest(f);
}

static void emit(const struct flow *f, struct jit_table *out)
{
	const struct flow_code *c = f->code;
	const struct jit_rule rest = jit_rule_entry(JIT_BY_DEFAULT);

	for (uint32_t at = 0; at < c->len;) {
		const struct node *node = &f->node[f->node_at[at]];
		if (f->node_at[at] == NO_NODE || !node->state.seen) {
			jit_table_add(out, c->base + at, &rest);
			at++;
			continue;
		}
		struct jit_rule rule = flow_rule(&node->state);
		jit_table_add(out, c->base + at, &rule);
		at += node->in.len;
	}
}

void flow_run(struct flow *f, const struct flow_code *c, struct jit_table *out)
{
	if (!c->len || c->len > FLOW_CODE_MAX) {
		struct jit_rule rule = jit_rule_frame(JIT_BY_DEFAULT);
		if (c->len)
			jit_table_add(out, c->base, &rule);
		return;
	}
	if (!open_code(f, c)) {
		out->failed = true;
		return;
	}
	f->again = true;
	f->framed = false;
	for (unsigned int i = 0; i < RERUNS && f->again && !f->failed; i++)
		run_once(f);
	if (f->failed)
		out->failed = true;
	else
		emit(f, out);
}
