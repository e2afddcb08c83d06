/* SPDX-License-Identifier: MIT */
/* Python's registers over the fake target, which runs no Python. */
#include <stdio.h>

#include "stub/session.h"
#include "tests/unit/bench.h"

static void init(struct bench *b)
{
	static const uint64_t words[4] = { 0xcc };
	const struct fake_region region = { 0x1000, words, sizeof(words) };

	bench_init(b, &region, 1);
	ask(b, "Hgp1a2b.1a2b");
}

static const char *ask_reg(struct bench *b, char letter, unsigned int n, const char *tail)
{
	char packet[64];
	snprintf(packet, sizeof(packet), "%c%x%s", letter, b->s.target->arch->nregs + n, tail);
	return ask(b, packet);
}

Test(pyregs, are_described_behind_the_processors)
{
	struct bench b;
	char want[80];

	init(&b);
	const char *xml = ask(&b, "qXfer:features:read:target.xml:0,ffff");
	snprintf(want, sizeof(want), "name=\"pyline\" bitsize=\"64\" type=\"int64\" regnum=\"%u\"",
		 b.s.target->arch->nregs + 1);
	cr_assert_not_null(strstr(xml, want), "%s", xml);
	cr_assert_not_null(strstr(xml, "</feature>\n</target>"));
	bench_deinit(&b);
}

Test(pyregs, are_read_one_by_one_and_not_by_g)
{
	struct bench b;
	size_t bytes = 0;

	init(&b);
	ask(&b, "qXfer:features:read:target.xml:0,ffff");
	for (uint16_t i = 0; i < b.s.target->arch->nregs; i++)
		bytes += b.s.target->arch->regs[i].bits / 8u;
	cr_assert_eq(strlen(ask(&b, "g")), 2 * bytes);
	for (unsigned int i = 0; i < 6; i++)
		cr_assert_str_eq(ask_reg(&b, 'p', i, ""), "0000000000000000");
	cr_assert_eq(ask_reg(&b, 'p', 6, "")[0], 'E');
	cr_assert_str_eq(ask_reg(&b, 'p', 1, ";thread:1a2b;"), "0000000000000000");
	cr_assert_eq(ask_reg(&b, 'p', 1, ";thread:77;")[0], 'E');
	bench_deinit(&b);
}

/* gdb writes all registers back after each call of a function. */
Test(pyregs, are_not_changed_by_what_is_written)
{
	struct bench b;
	char before[64];

	init(&b);
	snprintf(before, sizeof(before), "%s", ask_reg(&b, 'p', 1, ""));
	cr_assert_str_eq(ask_reg(&b, 'P', 1, "=0100000000000000"), "OK");
	cr_assert_str_eq(ask_reg(&b, 'p', 1, ""), before);
	bench_deinit(&b);
}

Test(pyregs, are_absent_where_python_is_off)
{
	struct bench b;

	init(&b);
	struct python *python = b.s.python;
	b.s.python = NULL;
	cr_assert_null(strstr(ask(&b, "qXfer:features:read:target.xml:0,ffff"), "pyline"));
	cr_assert_eq(ask_reg(&b, 'p', 1, "")[0], 'E');
	b.s.python = python;
	bench_deinit(&b);
}

/* An expression that pushes register @n and ends. */
static void continue_if_reg(struct bench *b, unsigned int n)
{
	static const struct stop_event hits[] = {
		{ FAKE_PID, STOP_SWBREAK, 5, 0, 0, 0xffff },
		{ FAKE_PID, STOP_SIGNAL, 10, 0, 0, 0xffff },
	};
	char packet[64];

	b->fake.gpr.rip = 0x1000;
	b->fake.script = hits;
	b->fake.nscript = 2;
	snprintf(packet, sizeof(packet), "Z0,1000,1;X4,26%04x27", n);
	assert_answer(b, packet, "OK");
	wire_send(&b->s, "vCont;c", 7);
	for (int i = 0; b->s.running && i < 16; i++)
		session_target_event(&b->s);
}

Test(pyregs, are_zero_in_conditions_where_no_python_runs)
{
	struct bench b;

	for (unsigned int i = 0; i < 7; i++) {
		init(&b);
		continue_if_reg(&b, b.s.target->arch->nregs + i);
		/* The sixth, pyfile, is only made at a stop, and the seventh is no register: those stop. */
		cr_assert_eq(b.s.stop.signo, i < 5 ? 10 : 5, "register %u", i);
		bench_deinit(&b);
	}
}
