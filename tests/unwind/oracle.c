/* SPDX-License-Identifier: MIT */
/*
 * Who called?  Steps a thread instruction by instruction through generated code, keeps a stack of
 * its calls, and asks the tables at each instruction for the return address and the caller's rbp:
 *
 *	oracle [-v MISSES] [-m MINIMUM] PID INSTRUCTIONS
 *
 * until so many of them had a known caller.  What is called that was not generated runs as it is, up to
 * where it returns to, or until it enters generated code by one of V8's ways in (JSEntry).  Prints the
 * shares that were right, by the tables and by the two fallback rules; fails if the tables were right
 * in less than MINIMUM percent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/jit/fallback.h"
#include "qxfer/jit/jit.h"
#include "tests/unwind/shadow.h"

#define STEPS_MAX  400000000L
#define NATIVE_MAX 100000 /* places that code may stop at, when it runs as it is, and go on from */
#define KNOWN	   65536u /* a power of two */
#define SINCE	   200	  /* steps before code that was not there is looked for again */
#define COPIES	   2u	  /* of the builtins */
#define WAYS	   3

enum { JS_ENTRY, MICROTASKS_ENTRY, CONSTRUCT_ENTRY, ENTRIES };
static const char *const entry_names[ENTRIES] = { "Builtins_JSEntry",
						  "Builtins_JSRunMicrotasksEntry",
						  "Builtins_JSConstructEntry" };

struct miss {
	uint64_t pc, got, want;
	long n;
	struct jit_rule rule;
	char name[80];
};

/* What was found out about one instruction. */
struct known {
	uint64_t pc; /* 0: nothing yet */
	long look;   /* as of which look; what is compiled may have changed since */
	uint8_t code[ONE_CODE];
	bool found, named, looked;
	struct jit_place place;
	struct jit_rule rule[WAYS];
};

struct oracle {
	struct one_space p;
	struct jit *jit;
	struct shadow shadow;
	uint64_t entry[COPIES][ENTRIES];
	long steps, natives, since, asked, right[WAYS], unknown, looks;
	struct known known[KNOWN];
	struct miss *miss;
	size_t nmisses;
	double look_ms;
};

static const char *const way_names[WAYS] = { "tables", "single entry", "n + 1" };

/* ---- one instruction ---- */

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
	return one_word(ctx, addr, word);
}

static bool caller_by(struct oracle *o, const struct jit_rule *rule, uint64_t *ra, uint64_t *rbp)
{
	uint64_t reg[JIT_REGS], cfa;
	for (unsigned int i = 0; i < JIT_REGS; i++)
		reg[i] = one_reg(&o->p.regs, i);
	if (!jit_rule_cfa(rule, reg, read_word, &o->p, &cfa))
		return false;
	uint64_t at = rule->ra_kind == JIT_RA_AT_CFA
			      ? cfa - 8
			      : reg[rule->ra_reg] + (uint64_t)(int64_t)rule->ra_disp;
	*ra = reg[rule->ra_reg];
	*rbp = reg[JIT_RBP];
	if (rule->ra_kind != JIT_RA_IN_REG && !one_word(&o->p, at, ra))
		return false;
	return !rule->at[0] || one_word(&o->p, cfa + (uint64_t)(int64_t)rule->at[0], rbp);
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

static void note_miss(struct oracle *o, const struct known *k, uint64_t got, uint64_t want)
{
	const struct jit_place *place = &k->place;
	size_t i = 0;
	while (i < o->nmisses && o->miss[i].pc != k->pc)
		i++;
	if (i == o->nmisses) {
		struct miss *more = realloc(o->miss, (i + 1) * sizeof(*more));
		if (!more)
			return;
		o->miss = more;
		o->nmisses++;
		o->miss[i] = (struct miss){ k->pc, got, want, 0, place->rule, "" };
		snprintf(o->miss[i].name, sizeof(o->miss[i].name), "%s+0x%llx",
			 place->name ? place->name : jit_kind_name(place->kind),
			 (unsigned long long)(k->pc - place->start));
	}
	o->miss[i].n++;
}

static bool is_generated(enum jit_kind kind)
{
	return kind != JIT_GAP;
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

static void find(struct oracle *o, struct known *k)
{
	k->look = o->looks;
	k->found = jit_find(o->jit, &o->p.space, k->pc, &k->place);
	k->named = k->found && k->place.name;
	k->rule[0] = k->place.rule;
}

static bool is_compiled(const struct known *k)
{
	return k->found && (k->place.kind == JIT_V8_CODE || k->place.kind == JIT_WASM ||
			    k->place.kind == JIT_UNKNOWN);
}

/* What is known of where the thread is; code that has changed is looked at again. */
static const struct known *know(struct oracle *o)
{
	uint64_t pc = o->p.regs.rip;
	struct known *k = &o->known[(pc ^ pc >> 16) & (KNOWN - 1)];
	bool same = k->pc == pc && memcmp(k->code, o->p.code, ONE_CODE) == 0;
	if (same && (k->look == o->looks || !is_compiled(k)))
		return k;
	bool changed = k->pc == pc && !same;
	bool looked = same && k->looked;
	*k = (struct known){ .pc = pc, .looked = looked };
	memcpy(k->code, o->p.code, ONE_CODE);
	find(o, k);
	if (is_compiled(k) && (changed || (!k->named && !looked && o->since > SINCE))) {
		look_again(o);
		find(o, k);
		k->looked = true;
	}
	k->rule[1] = jit_rule_frame(JIT_BY_DEFAULT);
	k->rule[2] = k->found ? each_rule(o, pc, &k->place) : k->rule[1];
	return k;
}

static void ask(struct oracle *o, const struct known *k)
{
	if (!o->shadow.depth)
		return;
	const struct call *c = &o->shadow.call[o->shadow.depth - 1];
	o->asked++;
	o->unknown += k->rule[0].source == JIT_BY_DEFAULT;
	for (int i = 0; i < WAYS; i++) {
		uint64_t ra, rbp;
		bool known = caller_by(o, &k->rule[i], &ra, &rbp);
		bool right = known && ra == c->ra && rbp == c->rbp;
		o->right[i] += right;
		if (!i && !right)
			note_miss(o, k, ra == c->ra ? rbp : ra, ra == c->ra ? c->rbp : c->ra);
	}
}

/* ---- code that was not generated runs as it is ---- */

static void find_entries(struct oracle *o)
{
	const struct jit_region *r;
	size_t n, copies = 0;
	struct err *err = jit_survey(o->jit, &o->p.space, &r, &n);
	for (size_t i = 0; i < n && !err && copies < COPIES; i++) {
		const struct jit_table *t = r[i].table;
		bool any = false;
		for (size_t f = 0; r[i].kind == JIT_V8_BUILTINS && f < t->nfuncs; f++) {
			for (size_t e = 0; e < ENTRIES; e++) {
				if (strcmp(jit_table_name(t, &t->func[f]), entry_names[e]) != 0)
					continue;
				o->entry[copies][e] = r[i].base + t->func[f].start;
				any = true;
			}
		}
		copies += any;
	}
	err_drop(err);
	/* Of which copy they are called is known when one was: there are not enough for all. */
	(void)one_break(&o->p, 1, o->entry[0][JS_ENTRY]);
	(void)one_break(&o->p, 2, o->entry[1][JS_ENTRY]);
	(void)one_break(&o->p, 3, o->entry[0][MICROTASKS_ENTRY]);
}

/* Whether it stands at a way in; all of its copy's are watched from now on. */
static bool is_entered(struct oracle *o)
{
	for (size_t c = 0; c < COPIES; c++) {
		for (size_t e = 0; e < ENTRIES; e++) {
			if (!o->entry[c][e] || o->p.regs.rip != o->entry[c][e])
				continue;
			for (unsigned int i = 0; i < ENTRIES; i++)
				(void)one_break(&o->p, i + 1, o->entry[c][i]);
			return true;
		}
	}
	return false;
}

/* The last call that was made from generated code: its number plus one; 0: there is none. */
static size_t last_generated(struct oracle *o)
{
	struct jit_place place;
	size_t at = o->shadow.depth;
	while (at && !(jit_find(o->jit, &o->p.space, o->shadow.call[at - 1].ra, &place) &&
		       is_generated(place.kind)))
		at--;
	return at;
}

/* Up to generated code. */
static bool run_native(struct oracle *o, int *signo)
{
	size_t at = last_generated(o);
	const struct call *c = at ? &o->shadow.call[at - 1] : NULL;
	o->natives++;
	shadow_leave(&o->shadow, &o->p);
	if (!one_break(&o->p, 0, c ? c->ra : 0))
		return false;
	for (int i = 0; i < NATIVE_MAX; i++) {
		if (!one_resume(&o->p, PTRACE_CONT, signo))
			return false;
		if (*signo)
			continue;
		if (is_entered(o)) {
			shadow_come_back(&o->shadow, &o->p);
			shadow_enter(&o->shadow, &o->p);
			return true;
		}
		if (c && o->p.regs.rip == c->ra && o->p.regs.rsp == c->sp + 8) {
			o->shadow.depth = at - 1;
			shadow_come_back(&o->shadow, &o->p);
			return true;
		}
	}
	return false;
}

static bool step(struct oracle *o, int *signo)
{
	const struct user_regs_struct was = o->p.regs;
	uint8_t code[ONE_CODE];
	memcpy(code, o->p.code, sizeof(code));
	if (!one_resume(&o->p, PTRACE_SINGLESTEP, signo))
		return false;
	o->since++;
	if (*signo)
		o->shadow.depth = 0;
	else
		shadow_follow(&o->shadow, &was, code, &o->p);
	return true;
}

static void run(struct oracle *o, long wanted)
{
	int signo = 0;
	bool alive = one_stop(&o->p);
	look_again(o);
	find_entries(o);
	while (alive && o->asked < wanted && o->steps++ < STEPS_MAX) {
		const struct known *k = know(o);
		if (!k->found || !is_generated(k->place.kind)) {
			alive = run_native(o, &signo);
			continue;
		}
		ask(o, k);
		alive = step(o, &signo);
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
	printf("%ld instructions of generated code in %ld steps, %ld times out of it", o->asked,
	       o->steps, o->natives);
	for (int i = 0; i < WAYS; i++)
		printf("; %s %.3f%%", way_names[i], 100.0 * (double)o->right[i] / (double)o->asked);
	printf("; by default %ld, resynced %ld, a look %.1f ms\n", o->unknown, o->shadow.resynced,
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
