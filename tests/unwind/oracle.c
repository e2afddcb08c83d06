/* SPDX-License-Identifier: MIT */
/*
 * Who called?  Steps a thread instruction by instruction, keeps a stack of its calls, and
 * asks the tables at each instruction of generated code for the return address and the caller's
 * rbp:
 *
 *	oracle [-v MISSES] [-m MINIMUM] PID INSTRUCTIONS
 *
 * until so many of them were in generated code and had a known caller.  Prints the shares that
 * were right, by the tables and by the two fallback rules; fails if the tables were right in less
 * than MINIMUM percent.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/jit/fallback.h"
#include "qxfer/jit/jit.h"
#include "tests/unwind/one_space.h"

#define SHADOW_MAX 65536
#define REFRESH	   20000 /* steps after which all is looked at again */
#define STEPS_MAX  400000000L
#define LOOK_BACK  64 /* calls that one return may leave at once */
#define WAYS	   3

struct call {
	uint64_t ra, sp, rbp;
};

struct miss {
	uint64_t pc, got, want;
	long n;
	struct jit_rule rule;
	char name[80];
};

struct oracle {
	struct one_space p;
	struct jit *jit;
	struct call call[SHADOW_MAX];
	size_t depth;
	long steps, since, asked, right[WAYS], unknown, resynced, looks;
	struct miss *miss;
	size_t nmisses;
	double look_ms;
};

static const char *const way_names[WAYS] = { "tables", "single entry", "n + 1" };

/* ---- one instruction ---- */

static bool caller_by(const struct oracle *o, const struct user_regs_struct *r,
		      const struct jit_rule *rule, uint64_t *ra, uint64_t *rbp)
{
	uint64_t cfa = one_reg(r, rule->cfa_reg) + (uint64_t)(int64_t)rule->cfa_off;
	*ra = 0;
	*rbp = r->rbp;
	if (rule->ra_kind == JIT_RA_IN_REG)
		*ra = one_reg(r, rule->ra_reg);
	else if (!one_read(&o->p,
			   rule->ra_kind == JIT_RA_AT_CFA
				   ? cfa - 8
				   : one_reg(r, rule->ra_reg) + (uint64_t)(int64_t)rule->ra_disp,
			   ra, 8))
		return false;
	return !rule->at[0] || one_read(&o->p, cfa + (uint64_t)(int64_t)rule->at[0], rbp, 8);
}

/* The n + 1 rule: which of the places that build a frame is the last one before the pc. */
static struct jit_rule each_rule(const struct oracle *o, uint64_t pc, const struct jit_place *place)
{
	struct jit_table t = { 0 };
	uint64_t len = place->end - place->start;
	uint8_t *code = len < (1u << 20) ? malloc(len) : NULL;
	struct jit_rule rule = jit_rule_frame(JIT_BY_DEFAULT);
	if (code && place->name && one_read(&o->p, place->start, code, len)) {
		fallback_each(&t, code, 0, (uint32_t)len);
		const struct jit_rule *found = jit_table_find(&t, (uint32_t)(pc - place->start));
		if (found)
			rule = *found;
	}
	jit_table_deinit(&t);
	free(code);
	return rule;
}

static void note_miss(struct oracle *o, const struct user_regs_struct *r,
		      const struct jit_place *place, uint64_t got, uint64_t want)
{
	size_t i = 0;
	while (i < o->nmisses && o->miss[i].pc != r->rip)
		i++;
	if (i == o->nmisses) {
		struct miss *more = realloc(o->miss, (i + 1) * sizeof(*more));
		if (!more)
			return;
		o->miss = more;
		o->nmisses++;
		o->miss[i] = (struct miss){ r->rip, got, want, 0, place->rule, "" };
		snprintf(o->miss[i].name, sizeof(o->miss[i].name), "%s+0x%llx",
			 place->name ? place->name : jit_kind_name(place->kind),
			 (unsigned long long)(r->rip - place->start));
	}
	o->miss[i].n++;
}

static void look_again(struct oracle *o)
{
	struct timespec a, b;
	const struct jit_region *region;
	size_t n;
	clock_gettime(CLOCK_MONOTONIC, &a);
	one_space_moved(&o->p);
	struct err *err = jit_survey(o->jit, &o->p.space, &region, &n);
	err_drop(err);
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (o->looks++)
		o->look_ms +=
			(double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	o->since = 0;
}

static bool find_place(struct oracle *o, uint64_t pc, struct jit_place *place)
{
	bool found = jit_find(o->jit, &o->p.space, pc, place);
	bool compiled = found && (place->kind == JIT_V8_CODE || place->kind == JIT_WASM ||
				  place->kind == JIT_UNKNOWN);
	if (!(compiled && !place->name && o->since > 200) && o->since < REFRESH)
		return found;
	look_again(o);
	return jit_find(o->jit, &o->p.space, pc, place);
}

static void ask(struct oracle *o, const struct user_regs_struct *r)
{
	struct jit_place place;
	if (!o->depth || !find_place(o, r->rip, &place))
		return;
	const struct call *c = &o->call[o->depth - 1];
	const struct jit_rule rules[WAYS] = { place.rule, jit_rule_frame(JIT_BY_DEFAULT),
					      each_rule(o, r->rip, &place) };
	o->asked++;
	if (place.rule.source == JIT_BY_DEFAULT)
		o->unknown++;
	for (int i = 0; i < WAYS; i++) {
		uint64_t ra, rbp;
		bool known = caller_by(o, r, &rules[i], &ra, &rbp);
		bool right = known && ra == c->ra && rbp == c->rbp;
		o->right[i] += right;
		if (!i && !right)
			note_miss(o, r, &place, ra == c->ra ? rbp : ra,
				  ra == c->ra ? c->rbp : c->ra);
	}
}

/* ---- the shadow ---- */

enum flow { FLOW_NEITHER, FLOW_CALL, FLOW_RETURN };

static enum flow flow_of(const uint8_t *b)
{
	while (*b == 0xf2 || *b == 0xf3 || *b == 0x66 || *b == 0x2e || *b == 0x3e ||
	       (*b & 0xf0) == 0x40)
		b++;
	if (*b == 0xe8 || (*b == 0xff && ((b[1] >> 3) & 7) == 2))
		return FLOW_CALL;
	return *b == 0xc3 || *b == 0xc2 ? FLOW_RETURN : FLOW_NEITHER;
}

static void pop_calls(struct oracle *o, uint64_t pc)
{
	if (!o->depth)
		return;
	size_t at = o->depth;
	while (at && o->call[at - 1].ra != pc && o->depth - at < LOOK_BACK)
		at--;
	bool found = at && o->call[at - 1].ra == pc;
	if (!found || at != o->depth)
		o->resynced++;
	/* A return to nobody who called: a jump, or below where this began. */
	o->depth = found ? at - 1 : 0;
}

static void follow(struct oracle *o, const struct user_regs_struct *was,
		   const struct user_regs_struct *now)
{
	uint8_t code[18] = { 0 };
	uint64_t ra;
	if (!one_read(&o->p, was->rip, code, 15))
		return;
	enum flow flow = flow_of(code);
	if (flow == FLOW_RETURN) {
		pop_calls(o, now->rip);
	} else if (flow == FLOW_CALL && now->rsp == was->rsp - 8 &&
		   one_read(&o->p, now->rsp, &ra, 8) && ra > was->rip && ra - was->rip < 16) {
		if (o->depth < SHADOW_MAX)
			o->call[o->depth++] = (struct call){ ra, now->rsp, was->rbp };
	}
	/* An exception leaves frames without returning. */
	while (o->depth && now->rsp > o->call[o->depth - 1].sp + 65536)
		o->depth--;
}

static bool step(struct oracle *o, struct user_regs_struct *r, int *signo)
{
	int status;
	if (ptrace(PTRACE_SINGLESTEP, o->p.pid, NULL, (void *)(uintptr_t)*signo) ||
	    waitpid(o->p.pid, &status, __WALL) != o->p.pid || !WIFSTOPPED(status))
		return false;
	*signo = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	if (*signo)
		o->depth = 0;
	return one_regs(&o->p, r);
}

static void run(struct oracle *o, long wanted)
{
	struct user_regs_struct was, now;
	int signo = 0;
	bool alive = one_regs(&o->p, &now);
	look_again(o);
	while (alive && o->asked < wanted && o->steps++ < STEPS_MAX) {
		ask(o, &now);
		o->since++;
		was = now;
		alive = step(o, &now, &signo);
		if (alive && !signo)
			follow(o, &was, &now);
	}
}

/* ---- */

static int by_count(const void *a, const void *b)
{
	const struct miss *x = a, *y = b;
	return (x->n < y->n) - (x->n > y->n);
}

static void print(const struct oracle *o, long misses)
{
	printf("%ld instructions of generated code in %ld steps", o->asked, o->steps);
	for (int i = 0; i < WAYS; i++)
		printf("; %s %.3f%%", way_names[i], 100.0 * (double)o->right[i] / (double)o->asked);
	printf("; by default %ld, resynced %ld, a look %.1f ms\n", o->unknown, o->resynced,
	       o->looks > 1 ? o->look_ms / (double)(o->looks - 1) : 0);
	if (o->nmisses)
		qsort(o->miss, o->nmisses, sizeof(*o->miss), by_count);
	for (size_t i = 0; i < o->nmisses && (long)i < misses; i++) {
		const struct miss *m = &o->miss[i];
		printf("  %ld x 0x%llx %s: cfa r%u%+d rbp %+d ra %u/r%u source %u got 0x%llx want "
		       "0x%llx\n",
		       m->n, (unsigned long long)m->pc, m->name, m->rule.cfa_reg, m->rule.cfa_off,
		       m->rule.at[0], m->rule.ra_kind, m->rule.ra_reg, m->rule.source,
		       (unsigned long long)m->got, (unsigned long long)m->want);
	}
}

int main(int argc, char **argv)
{
	struct oracle *o = calloc(1, sizeof(*o));
	double minimum = 0;
	long misses = 0;
	int opt;
	while ((opt = getopt(argc, argv, "v:m:")) != -1) {
		if (opt == 'v')
			misses = strtol(optarg, NULL, 10);
		else if (opt == 'm')
			minimum = strtod(optarg, NULL);
		else
			return 2;
	}
	struct err *err = o ? jit_create(&o->jit) : &err_nomem;
	if (argc - optind != 2 || err ||
	    !one_space_open(&o->p, (pid_t)strtol(argv[optind], NULL, 10))) {
		fprintf(stderr, "usage: oracle [-v MISSES] [-m MINIMUM] PID INSTRUCTIONS\n");
		return 2;
	}
	long wanted = strtol(argv[optind + 1], NULL, 10);
	run(o, wanted);
	print(o, misses);
	bool good = o->asked >= wanted && 100.0 * (double)o->right[0] / (double)o->asked >= minimum;
	one_space_close(&o->p);
	jit_destroy(o->jit);
	free(o->miss);
	free(o);
	return good ? 0 : 1;
}
