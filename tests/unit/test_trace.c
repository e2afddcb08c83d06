/* SPDX-License-Identifier: MIT */
/* Tracepoints over the fake target: definitions, runs, frames, and what is told of them. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "stub/session.h"
#include "stub/trace_buffer.h"
#include "tests/unit/bench.h"

#define PC 0x1000

/* Three hits, then something else. */
static const struct stop_event hits[] = {
	{ FAKE_PID, STOP_SWBREAK, SIGTRAP, 0, 0, 0xffff },
	{ FAKE_PID, STOP_SWBREAK, SIGTRAP, 0, 0, 0xffff },
	{ FAKE_PID, STOP_SWBREAK, SIGTRAP, 0, 0, 0xffff },
	{ FAKE_PID, STOP_SIGNAL, SIGUSR1, 0, 0, 0xffff },
};

static struct bench b;

static void setup(void)
{
	static const uint64_t words[4] = { 0xcc, 0x12345678, 0x0000006f6c6c6568, 0 };
	const struct fake_region region = { PC, words, sizeof(words) };

	bench_init(&b, &region, 1);
	b.fake.gpr = (struct user_regs_struct){ .rip = PC, .rax = 42, .cs = 0x33 };
	b.fake.script = hits;
	b.fake.nscript = 4;
	session_open(&b.s);
	ask(&b, "qSupported:swbreak+");
}

static void teardown(void)
{
	bench_deinit(&b);
}
TestSuite(trace, .init = setup, .fini = teardown);

static void define(const char *const *packets)
{
	for (; *packets; packets++)
		assert_answer(&b, *packets, "OK");
}

/* To the stop that is told. */
static void run(void)
{
	buf_clear(&b.s.tx);
	wire_send(&b.s, "vCont;c", 7);
	for (int i = 0; b.s.running && i < 16; i++)
		session_target_event(&b.s);
	cr_assert_not(b.s.running);
	buf_clear(&b.s.tx);
}

static void assert_status(const char *want)
{
	const char *status = ask(&b, "qTStatus");
	cr_assert(strstr(status, want), "%s is not in %s", want, status);
}

Test(trace, records_and_goes_on)
{
	define((const char *const[]){ "QTinit", "QTDV:2:5:0:7476", "QTDP:1:1000:E:0:0-",
				      "QTDP:-1:1000:R03MFFFFFFFF,1008,4", "QTStart", NULL });
	cr_assert_eq(b.fake.traps, 1);
	run();
	cr_assert_eq(b.s.stop.signo, SIGUSR1, "no hit is told");
	assert_status("T1;");
	assert_status(";tframes:3;tcreated:3;");
	cr_assert_eq(strncmp(ask(&b, "qTP:1:1000"), "V3:", 3), 0);
	assert_answer(&b, "QTFrame:0", "F0T1");
	assert_answer(&b, "m1008,8", "78563412");
	cr_assert_eq(ask(&b, "m1010,4")[0], 'E', "it was not recorded");
	assert_answer(&b, "p0", "2a00000000000000");
	cr_assert_eq(ask(&b, "M1008,1:00")[0], 'E', "it cannot be changed");
	cr_assert(strstr(ask(&b, "qXfer:traceframe-info:read::0,fff"),
			 "<memory start=\"0x1008\" length=\"0x4\"/>"));
	assert_answer(&b, "QTFrame:ffffffff", "OK");
	assert_answer(&b, "m1010,4", "68656c6c");
	assert_answer(&b, "QTStop", "OK");
	cr_assert_eq(b.fake.traps, 0, "nothing is left");
	assert_status("T0;tstop::0;");
}

Test(trace, a_condition_a_pass_count_and_variables)
{
	/* rax == 42; $tv = $tv + 1, recorded. */
	define((const char *const[]){ "QTinit", "QTDV:2:5:0:7476",
				      "QTDP:1:1000:E:0:2:X7,260000222a1327-",
				      "QTDP:-1:1000:Xd,2c0002220102"
				      "2d00022e000227",
				      "QTDP:2:1000:E:0:0:X7,260000222b1327", "QTStart", NULL });
	run();
	assert_status("T0;tpasscount:1;tframes:2;");
	assert_answer(&b, "qTV:2", "V7");
	assert_answer(&b, "qTV:9", "U");
	assert_answer(&b, "QTFrame:0", "F0T1");
	assert_answer(&b, "qTV:2", "V6");
	assert_answer(&b, "qTP:2:1000", "V0:0");
	cr_assert(strstr(ask(&b, "qXfer:traceframe-info:read::0,fff"), "<tvar id=\"2\"/>"));
	cr_assert_eq(ask(&b, "qTV:1")[0], 'U', "the time was not recorded");
	ask(&b, "QTFrame:ffffffff");
	cr_assert_eq(strlen(ask(&b, "qTV:1")), 14, "microseconds since 1970");
}

Test(trace, an_error_in_an_expression_ends_the_run)
{
	define((const char *const[]){ "QTinit", "QTDP:3:1000:E:0:0-",
				      "QTDP:-3:1000:X6,220122000527", "QTStart", NULL });
	run();
	assert_status("T0;terror:");
	assert_status(":3;tframes:");
	cr_assert_eq(b.fake.traps, 0);
}

Test(trace, a_breakpoint_in_the_same_place_is_told)
{
	define((const char *const[]){ "QTinit", "QTDP:1:1000:E:0:0", "QTStart", "Z0,1000,1",
				      NULL });
	run();
	cr_assert_eq(b.s.stop.kind, STOP_SWBREAK);
	assert_status(";tframes:1;");
	assert_answer(&b, "z0,1000,1", "OK");
	cr_assert_eq(b.fake.traps, 1, "the tracepoint stays");
}

Test(trace, frames_are_found_by_what_they_are)
{
	define((const char *const[]){ "QTinit", "QTDP:1:1000:E:0:0", "QTDP:2:1000:E:0:0", "QTStart",
				      NULL });
	run();
	assert_answer(&b, "QTFrame:tdp:2", "F1T2");
	assert_answer(&b, "QTFrame:tdp:2", "F3T2");
	assert_answer(&b, "QTFrame:pc:1000", "F4T1");
	assert_answer(&b, "QTFrame:outside:0:2000", "F-1");
	assert_answer(&b, "QTFrame:range:fff:1000", "F5T2");
	assert_answer(&b, "QTFrame:range:0:1000", "F-1");
	assert_answer(&b, "p10", "0010000000000000"); /* the place, though nothing was recorded */
	assert_answer(&b, "p0", "xxxxxxxxxxxxxxxx");
	assert_answer(&b, "QTFrame:64", "F-1");
}

Test(trace, a_full_buffer_ends_the_run_or_forgets_the_oldest)
{
	static const char *const points[] = { "QTinit", "QTBuffer:size:40", "QTDP:1:1000:E:0:0-",
					      "QTDP:-1:1000:M-1,1000,18", NULL };
	define(points);
	assert_answer(&b, "QTStart", "OK");
	run();
	assert_status("T0;tfull:0;tframes:1;tcreated:1;");
	cr_assert_eq(b.fake.traps, 0);
	b.fake.script = hits;
	b.fake.nscript = 4;
	define(points);
	assert_answer(&b, "QTBuffer:circular:1", "OK");
	assert_answer(&b, "QTStart", "OK");
	run();
	assert_status("T1;");
	assert_status(";tframes:1;tcreated:3;");
	assert_answer(&b, "qTBuffer:0,8", "0100230000004d00");
	assert_answer(&b, "qTBuffer:29,8", "l");
	assert_answer(&b, "QTBuffer:size:-1", "E01");
}

Test(trace, what_was_defined_can_be_asked_for)
{
	define((const char *const[]){ "QTinit", "QTDV:2:5:0:7476", "QTDP:1:1000:D:2:3:X3,220127-",
				      "QTDP:-1:1000:R03-", "QTDP:-1:1000:SM0,8,4",
				      "QTDPsrc:1:1000:at:0:3:616464", NULL });
	assert_answer(&b, "qTfV", "1:0:1:74726163655f74696d657374616d70");
	assert_answer(&b, "qTsV", "2:5:0:7476");
	assert_answer(&b, "qTsV", "l");
	assert_answer(&b, "qTfP", "T1:1000:D:2:3:X3,220127");
	assert_answer(&b, "qTsP", "A1:1000:R03");
	assert_answer(&b, "qTsP", "S1:1000:M0,8,4");
	assert_answer(&b, "qTsP", "Z1:1000:at:0:3:616464");
	assert_answer(&b, "qTsP", "l");
	assert_answer(&b, "qTsP", "l");
	assert_answer(&b, "QTEnable:1:1000", "OK");
	assert_answer(&b, "qTfP", "T1:1000:E:2:3:X3,220127");
	assert_answer(&b, "qTMinFTPILen", "0");
}

Test(trace, goes_on_without_the_client_if_that_was_said)
{
	define((const char *const[]){ "QTinit", "QTDP:1:1000:E:0:0", "QTDisconnected:1", "QTStart",
				      NULL });
	assert_answer(&b, "D", "OK");
	cr_assert_not(b.fake.detached);
	session_close(&b.s);
	for (int i = 0; i < 6; i++)
		session_target_event(&b.s);
	cr_assert(b.s.running);
	session_open(&b.s);
	session_target_event(&b.s);
	assert_status("T1;");
	assert_status(";tframes:3;");
	assert_answer(&b, "QTDisconnected:0", "OK");
	session_close(&b.s);
	cr_assert_eq(b.fake.traps, 0);
	session_open(&b.s);
	assert_status("T0;tdisconnected:0;");
}

Test(trace, malformed_packets_are_refused)
{
	static const char *const packets[] = {
		"QTDP",
		"QTDP:",
		"QTDP:1",
		"QTDP:0:1000:E:0:0",
		"QTDP:10000:1000:E:0:0",
		"QTDP:1:1000:X:0:0",
		"QTDP:1:1000:E:0",
		"QTDP:1:1000:E:0:0:",
		"QTDP:1:1000:E:0:0:F5",
		"QTDP:1:1000:E:0:0:S",
		"QTDP:1:1000:E:0:0:X",
		"QTDP:1:1000:E:0:0:X0,",
		"QTDP:1:1000:E:0:0:Xffffffff,27",
		"QTDP:1:1000:E:0:0:X2,2",
		"QTDP:1:1000:E:0:0:X1,00",
		"QTDP:-7:1000:R03",
		"QTDP:-1:1000:",
		"QTDPsrc:9:1000:at:0:3:616464",
		"QTDPsrc:1:1000",
		"QTDV:2:5:0",
		"QTDV:2:5:0:7",
		"QTDV:0:5:0:74",
		"QTEnable:9:1000",
		"QTDisable:1",
		"QTro:1",
		"QTro:1,2:3",
		"QTBuffer:size:",
		"QTBuffer:circular:2",
		"QTDisconnected:x",
		"QTNotes:user:6",
		"QTNotes:other:61",
		"QTFrame",
		"QTFrame:",
		"QTFrame:pc:",
		"QTFrame:range:1",
		"qTP:1",
		"qTV:",
		"qTBuffer:0",
		"qTfSTM",
		"qXfer:traceframe-info:read::0,fff",
	};
	static const char *const actions[] = {
		"M", "M0", "M0,0",    "M7fff,0,1", "M0,0,ffffffffffff", "X5,2700", "Q",
		"L", "R",  "R03-R03", "S-S"
	};
	char packet[64];

	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		cr_assert_eq(ask(&b, packets[i])[0], 'E', "%s", packets[i]);
	assert_answer(&b, "QTDP:1:1000:E:0:0-", "OK");
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		snprintf(packet, sizeof(packet), "QTDP:-1:1000:%s", actions[i]);
		cr_assert_eq(ask(&b, packet)[0], 'E', "%s", packet);
	}
	assert_answer(&b, "QTDP:2:9000:E:0:0", "OK");
	assert_answer(&b, "QTStart", "E0e");
	cr_assert_eq(b.fake.traps, 0, "none is left of a run that could not start");
}

Test(trace, is_not_there_for_who_may_only_look)
{
	b.options.read_only = true;
	assert_answer(&b, "qTStatus", "");
	assert_answer(&b, "qTfP", "");
	assert_answer(&b, "QTinit", "");
}

Test(trace, the_buffer_keeps_what_fits)
{
	struct trace_buffer t = { .size = 100, .circular = true };
	uint8_t bytes[200] = { 7 };
	struct trace_block block;
	size_t at = 0;

	for (uint16_t i = 1; i < 1000; i++) {
		trace_frame_begin(&t, i, i);
		trace_put_memory(&t, i, bytes, 20);
		trace_put_variable(&t, 1, i);
		cr_assert_eq(trace_frame_end(&t), 6 + 31 + 13);
		cr_assert_leq(t.end - t.start, 100);
	}
	cr_assert_eq(t.n, 2);
	cr_assert_eq(t.created, 999);
	const struct trace_frame *f = trace_frame_at(&t, 0);
	cr_assert_eq(f->tracepoint, 998);
	cr_assert(trace_next_block(&t, f, &at, &block));
	cr_assert_eq(block.addr, 998);
	cr_assert(trace_next_block(&t, f, &at, &block));
	cr_assert_eq(block.value, 998);
	cr_assert_not(trace_next_block(&t, f, &at, &block));
	trace_frame_begin(&t, 1, 1);
	trace_put_memory(&t, 1, bytes, 200);
	cr_assert_eq(trace_frame_end(&t), 0, "more than all");
	cr_assert(t.full);
	trace_buffer_deinit(&t);
}
