/* SPDX-License-Identifier: MIT */
/* Conditions and commands of breakpoints, over the fake target: who is told of what. */
#include <signal.h>
#include <stdio.h>

#include "stub/agent/agent.h"
#include "stub/conditions.h"
#include "stub/session.h"
#include "tests/unit/bench.h"

#define PC 0x1000

/* Two hits, then something else. */
static const struct stop_event hits[] = {
	{ FAKE_PID, STOP_SWBREAK, SIGTRAP, 0, 0, 0xffff },
	{ FAKE_PID, STOP_SWBREAK, SIGTRAP, 0, 0, 0xffff },
	{ FAKE_PID, STOP_SIGNAL, SIGUSR1, 0, 0, 0xffff },
};

static void init(struct bench *b)
{
	static const uint64_t words[4] = { 0xcc, 0x12345678, 0, 0 };
	const struct fake_region region = { PC, words, sizeof(words) };

	bench_init(b, &region, 1);
	b->fake.gpr = (struct user_regs_struct){ .rip = PC, .rax = 42, .cs = 0x33 };
	b->fake.script = hits;
	b->fake.nscript = 3;
	session_open(&b->s);
	ask(b, "qSupported:swbreak+");
}

/* The signal of the stop that a continue leads to; the text before it is in *text. */
static unsigned int stop_after(struct bench *b, const char *z, char text[400])
{
	assert_answer(b, z, "OK");
	buf_clear(&b->s.tx);
	wire_send(&b->s, "vCont;c", 7);
	for (int i = 0; b->s.running && i < 16; i++)
		session_target_event(&b->s);
	cr_assert_not(b->s.running);
	buf_put(&b->s.tx, "", 1);
	snprintf(text, 400, "%s", (const char *)b->s.tx.data);
	return (unsigned int)b->s.stop.signo;
}

Test(conditions, decide_who_is_told)
{
	static const struct {
		const char *z;
		int signo;
		const char *text;
	} cases[] = {
		{ "Z0,1000,1", SIGTRAP, NULL },
		{ "Z0,1000,1;X3,220127", SIGTRAP, NULL },
		{ "Z0,1000,1;X3,220027", SIGUSR1, NULL },
		{ "Z0,1000,1;X3,220027X3,220127", SIGTRAP, NULL },
		{ "Z0,1000,1;X3,220027;X3,220027", SIGUSR1, NULL },
		/* rax == 42, == 43; the word at 0x1008 */
		{ "Z0,1000,1;X7,260000222a1327", SIGTRAP, NULL },
		{ "Z0,1000,1;X7,260000222b1327", SIGUSR1, NULL },
		{ "Z0,1000,1;Xa,2310081924123456781327", 0, NULL },
		{ "Z0,1000,1;Xb,2310081924123456781327", SIGTRAP, NULL },
		/* A hardware breakpoint's condition is not this one's. */
		{ "Z1,1000,1;X3,220027", SIGTRAP, NULL },
		{ "Z0,1001,1;X3,220027", SIGTRAP, NULL },
		/* "Error in a condition" */
		{ "Z0,1000,1;X6,220122000527", SIGTRAP,
		  "4572726f7220696e206120636f6e646974696f6e" },
		{ "Z0,1000,1;X6,220122000527X3,220127", SIGTRAP, "4572726f7220696e206120636f6e64" },
		/* zmm registers are no numbers, 0x7fff is no register. */
		{ "Z0,1000,1;X4,26001827", SIGTRAP, "4572726f72" },
		{ "Z0,1000,1;X4,267fff27", SIGTRAP, "4572726f72" },
		/* "hi\n" */
		{ "Z0,1000,1;cmds:0,Xe,2200220034000005"
		  "68695c6e0027",
		  SIGUSR1, "O68690a" },
		{ "Z0,1000,1;X3,220027;cmds:0,Xe,2200220034000005"
		  "68695c6e0027",
		  SIGUSR1, NULL },
		{ "Z0,1000,1;X3,220127;cmds:1,Xd,2200220034000005"
		  "68695c6e0027",
		  0, NULL },
		{ "Z0,1000,1;X3,220127;cmds:1,Xe,2200220034000005"
		  "68695c6e0027",
		  SIGUSR1, "O68690a" },
		/* "Error in a command" */
		{ "Z0,1000,1;cmds:0,X6,220122000527", SIGTRAP,
		  "4572726f7220696e206120636f6d6d616e64" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench b;
		char text[400];
		init(&b);
		if (!cases[i].signo) {
			cr_assert_eq(ask(&b, cases[i].z)[0], 'E', "%s", cases[i].z);
		} else {
			unsigned int signo = stop_after(&b, cases[i].z, text);
			cr_assert_eq(signo, cases[i].signo, "%s: signal %u", cases[i].z, signo);
			if (cases[i].text)
				cr_assert_not_null(strstr(text, cases[i].text), "%s: %s",
						   cases[i].z, text);
			else
				cr_assert_null(strstr(text, "$O"), "%s: %s", cases[i].z, text);
		}
		bench_deinit(&b);
	}
}

Test(conditions, are_replaced_by_those_of_a_later_z_and_go_with_a_z)
{
	struct bench b;
	char text[400];

	init(&b);
	assert_answer(&b, "Z0,1000,1;X3,220027", "OK");
	cr_assert_eq(stop_after(&b, "Z0,1000,1", text), SIGTRAP);
	cr_assert_eq(stop_after(&b, "z0,1000,1", text), SIGTRAP);
	cr_assert_null(b.s.target->judge, "nobody has conditions");
	bench_deinit(&b);
}

Test(conditions, of_too_many_bytes_are_refused)
{
	struct bench b;
	static char z[64 * 1024 * 2 + 100];
	bool refused = false;

	init(&b);
	for (unsigned int addr = PC; addr < PC + 20 && !refused; addr++) {
		/* A long expression that is never run: after `end' anything may stand. */
		int at = sprintf(z, "Z0,%x,1;Xf000,220027", addr);
		memset(z + at, '0', 2 * 0xf000 - 6);
		z[at + 2 * 0xf000 - 6] = '\0';
		refused = ask(&b, z)[0] == 'E';
		cr_assert(refused || b.fake.points, "no breakpoint");
	}
	cr_assert(refused, "the bytes have no bound");
	bench_deinit(&b);
}

Test(conditions, of_a_client_that_left_are_forgotten)
{
	struct bench b;
	char text[400];

	init(&b);
	assert_answer(&b, "Z0,1000,1;X3,220027", "OK");
	session_close(&b.s);
	session_open(&b.s);
	cr_assert_null(b.s.target->judge);
	cr_assert_eq(stop_after(&b, "Hg0", text), SIGTRAP);
	bench_deinit(&b);
}

static struct err *seven(void *ctx, uint16_t n, uint64_t *ret)
{
	*ret = *(const uint64_t *)ctx + n;
	return NULL;
}

Test(conditions, act_on_what_their_caller_gives)
{
	static const struct agent_ops ops = { .reg = seven };
	uint64_t base = 5;
	struct bench b;

	init(&b);
	/* Register 2 == 7 */
	assert_answer(&b, "Z0,1000,1;X7,26000222071327", "OK");
	cr_assert(conditions_tell(b.s.conditions, POINT_SW, PC, &ops, &base));
	base = 6;
	cr_assert_not(conditions_tell(b.s.conditions, POINT_SW, PC, &ops, &base));
	cr_assert(conditions_tell(b.s.conditions, POINT_HW, PC, &ops, &base), "has none");
	cr_assert(conditions_tell(NULL, POINT_SW, PC, &ops, &base), "nobody has any");
	bench_deinit(&b);
}
