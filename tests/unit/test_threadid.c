/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>

#include "rsp/signals.h"
#include "rsp/threadid.h"
#include "rsp/vcont.h"

static struct rsp_cursor text(const char *s)
{
	return (struct rsp_cursor){ s, s + strlen(s) };
}

struct id_case {
	char wire[32];
	bool ok;
	pid_t pid, tid;
	size_t left; /* bytes not consumed */
};

ParameterizedTestParameters(threadid, parse)
{
	static struct id_case cases[] = {
		{ "1a2b", true, RSP_ANY, 0x1a2b, 0 },
		{ "0", true, RSP_ANY, RSP_ANY, 0 },
		{ "-1", true, RSP_ANY, RSP_ALL, 0 },
		{ "p1a.2b", true, 0x1a, 0x2b, 0 },
		{ "p1a.-1", true, 0x1a, RSP_ALL, 0 },
		{ "p1a.0;x", true, 0x1a, RSP_ANY, 2 },
		{ "p-1", true, RSP_ALL, RSP_ALL, 0 },
		{ "p1a", true, 0x1a, RSP_ALL, 0 },
		{ "p1.10000001", true, 1, 0x10000001, 0 },
		{ "7fffffff", true, RSP_ANY, 0x7fffffff, 0 },
		{ "80000000", false, 0, 0, 8 },
		{ "p1.ffffffffffffffff", false, 0, 0, 19 },
		{ "00000000000000001", false, 0, 0, 17 },
		{ "p", false, 0, 0, 1 },
		{ "p1.", false, 0, 0, 3 },
		{ "p.1", false, 0, 0, 3 },
		{ "-2", false, 0, 0, 2 },
		{ "", false, 0, 0, 0 },
	};
	return cr_make_param_array(struct id_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct id_case *c, threadid, parse)
{
	struct rsp_cursor cur = text(c->wire);
	struct rsp_thread_id id = { 99, 99 };

	cr_assert_eq(rsp_thread_id_parse(&cur, &id), c->ok, "%s", c->wire);
	cr_assert_eq(cur_left(&cur), c->left, "%s: %zu left", c->wire, cur_left(&cur));
	cr_assert_eq(id.pid, c->ok ? c->pid : 99, "%s: pid %d", c->wire, id.pid);
	cr_assert_eq(id.tid, c->ok ? c->tid : 99, "%s: tid %d", c->wire, id.tid);
}

Test(threadid, is_written_in_the_form_the_peer_asked_for)
{
	_cleanup_buf_ struct buf b = { 0 };
	rsp_thread_id_write(&b, true, 0x1a, 0x2b);
	buf_puts(&b, " ");
	rsp_thread_id_write(&b, false, 0x1a, 0x2b);
	cr_assert_eq(b.len, 9);
	cr_assert_arr_eq(b.data, "p1a.2b 2b", 9);
}

Test(signals, every_linux_signal_but_one_survives_the_round_trip)
{
	for (int signo = 0; signo <= 64; signo++) {
		int back = -1;
		unsigned int wire = rsp_signal_from_linux(signo);
		if (signo == SIGSTKFLT) { /* the protocol has no number for it */
			cr_assert_eq(wire, RSP_SIGNAL_UNKNOWN);
			continue;
		}
		cr_assert(rsp_signal_to_linux(wire, &back), "%d -> %u", signo, wire);
		cr_assert_eq(back, signo, "%d -> %u -> %d", signo, wire, back);
	}
}

Test(signals, known_numbers)
{
	static const struct {
		int linux_signo;
		unsigned int wire;
	} known[] = { { SIGINT, 2 },  { SIGBUS, 10 }, { SIGUSR1, 30 }, { SIGCHLD, 20 },
		      { SIGPWR, 32 }, { SIGSYS, 12 }, { SIGIO, 23 },   { 33, 45 },
		      { 34, 46 },     { 63, 75 },     { 32, 77 },      { 64, 78 },
		      { 65, 143 },    { -1, 143 },    { 1 << 30, 143 } };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		cr_assert_eq(rsp_signal_from_linux(known[i].linux_signo), known[i].wire, "%d",
			     known[i].linux_signo);
}

Test(signals, numbers_linux_lacks_are_refused)
{
	static const uint64_t none[] = {
		7, 29, 34, 44, 76, 79, 141, 142, 143, 144, 255, 1ull << 40
	};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		int signo = -7;
		cr_assert_not(rsp_signal_to_linux(none[i], &signo), "%d", (int)none[i]);
		cr_assert_eq(signo, -7);
	}
	int poll = 0;
	cr_assert(rsp_signal_to_linux(33, &poll));
	cr_assert_eq(poll, SIGIO);
}

Test(vcont, actions_come_out_in_order)
{
	struct rsp_vcont_list l;
	struct rsp_cursor c = text(";s:p1.2;C0b:p1.-1;r10,2f:3;t:4;c");
	struct err *err = rsp_vcont_parse(&c, &l);
	cr_assert_null(err);
	cr_assert_eq(l.n, 5);
	cr_assert(l.action[0].kind == 's' && l.action[0].thread.pid == 1 &&
		  l.action[0].thread.tid == 2);
	cr_assert(l.action[1].kind == 'C' && l.action[1].signo == 11 &&
		  l.action[1].thread.tid == RSP_ALL);
	cr_assert(l.action[2].kind == 'r' && l.action[2].start == 0x10 && l.action[2].end == 0x2f &&
		  l.action[2].thread.tid == 3 && l.action[2].thread.pid == RSP_ANY);
	cr_assert_eq(l.action[3].kind, 't');
	cr_assert(l.action[4].kind == 'c' && l.action[4].thread.tid == RSP_ALL &&
		  l.action[4].signo == 0);
	rsp_vcont_deinit(&l);
}

struct vcont_case {
	char wire[32];
};

ParameterizedTestParameters(vcont, malformed)
{
	static struct vcont_case cases[] = { { "" },	     { ";" },	  { "c" },     { ";q" },
					     { ";c;" },	     { ";;c" },	  { ";C" },    { ";Czz" },
					     { ";C100" },    { ";r" },	  { ";r1" },   { ";r1,:1" },
					     { ";c:" },	     { ";c:zz" }, { ";c:1x" }, { ";s1" },
					     { ";c:p1.2.3" } };
	return cr_make_param_array(struct vcont_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct vcont_case *v, vcont, malformed)
{
	struct rsp_vcont_list l;
	struct rsp_cursor c = text(v->wire);
	struct err *err = rsp_vcont_parse(&c, &l);
	cr_assert_not_null(err, "%s", v->wire);
	cr_assert_eq(err->code, ERR_PROTO, "%s", v->wire);
	cr_assert_null(l.action, "%s", v->wire);
	err_drop(err);
}

Test(vcont, more_actions_than_a_packet_holds_are_refused)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct rsp_vcont_list l;
	for (unsigned int i = 0; i <= RSP_VCONT_MAX; i++)
		buf_puts(&b, ";c");
	struct rsp_cursor c = { (const char *)b.data, (const char *)b.data + b.len };
	struct err *err = rsp_vcont_parse(&c, &l);
	cr_assert_not_null(err);
	err_drop(err);
}
