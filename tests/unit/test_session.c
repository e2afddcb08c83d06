/* SPDX-License-Identifier: MIT */
/* What a session does beside answering one packet after another. */
#include <signal.h>

#include "tests/fake/rig.h"
#include "tests/unit/bench.h"

static struct rig rig;
static struct buf payload;

static void setup(void)
{
	rig_init(&rig, -1);
}

static void teardown(void)
{
	buf_deinit(&payload);
	rig_deinit(&rig);
}

/* Whole packets in what was sent; takes them away. */
static size_t take_replies(void)
{
	size_t at = 0, n = 0;
	while (wire_next(&rig.s.tx, &at, &payload))
		n++;
	buf_clear(&rig.s.tx);
	return n;
}

static void feed(const char *bytes)
{
	session_feed(&rig.s, (const uint8_t *)bytes, strlen(bytes));
}

Test(session, requests_wait_while_replies_are_not_read, .init = setup, .fini = teardown)
{
	enum { ASKED = 4000 };
	size_t answered = 0, rounds = 0;

	for (int i = 0; i < ASKED; i++) {
		wire_send(&rig.s, "m7fff0000,1000", 14); /* zeros are short on the wire */
		wire_send(&rig.s, "g", 1);
	}
	for (; answered < 2 * ASKED && rounds < ASKED; rounds++) {
		cr_assert_leq(rig.s.tx.len, 10 * RSP_PACKET_MAX);
		cr_assert_eq(session_wants_input(&rig.s), rig.s.tx.len <= 8 * RSP_PACKET_MAX);
		answered += take_replies();
		session_feed(&rig.s, NULL, 0);
	}
	cr_assert_eq(answered, 2 * ASKED);
	cr_assert_eq(rig.s.end, SESSION_OPEN);
}

Test(session, what_comes_while_the_inferior_runs_is_answered_when_it_has_stopped, .init = setup,
     .fini = teardown)
{
	rig.fake.hold = true;
	feed("$vCont;c#a8$qC#b4$vMustReplyEmpty#3a");
	cr_assert(rig.s.running);
	cr_assert_eq(take_replies(), 0);
	rig.fake.hold = false;
	session_target_event(&rig.s);
	cr_assert_not(rig.s.running);
	cr_assert_eq(take_replies(), 3);
}

Test(session, an_interrupt_is_heard_while_the_inferior_runs, .init = setup, .fini = teardown)
{
	rig.fake.hold = true;
	feed("$vCont;c#a8");
	feed("+\x03");
	cr_assert(rig.fake.interrupted);
	rig.fake.hold = false;
	session_target_event(&rig.s);
	size_t at = 0;
	cr_assert(wire_next(&rig.s.tx, &at, &payload));
	cr_assert_arr_eq(payload.data, "T02", 3);
}

Test(session, an_interrupt_behind_the_end_of_a_step_stops_it_when_it_goes_on, .init = setup,
     .fini = teardown)
{
	size_t at = 0;

	rig.fake.hold = true;
	rig.s.stop = (struct stop_event){ .tid = 6699, .kind = STOP_SIGNAL, .signo = SIGTRAP };
	feed("\x03$vCont;c#a8");
	cr_assert(rig.fake.interrupted);
	rig.fake.hold = false;
	session_target_event(&rig.s);
	cr_assert(wire_next(&rig.s.tx, &at, &payload));
	cr_assert_arr_eq(payload.data, "T02", 3);
	/* Once: it has been answered. */
	rig.fake.hold = true;
	feed("$vCont;c#a8");
	cr_assert_not(rig.fake.interrupted);
}

Test(session, a_nack_is_answered_with_the_last_reply_again, .init = setup, .fini = teardown)
{
	feed("$qC#b4");
	cr_assert_eq(take_replies(), 1);
	feed("-");
	size_t at = 0;
	cr_assert(wire_next(&rig.s.tx, &at, &payload));
	cr_assert_arr_eq(payload.data, "QC", 2);
	feed("+$QStartNoAckMode#b0+");
	take_replies();
	feed("-");
	cr_assert_eq(take_replies(), 0);
}

Test(session, a_bad_checksum_asks_for_the_packet_again, .init = setup, .fini = teardown)
{
	feed("$qC#b5");
	cr_assert_eq(rig.s.tx.len, 1);
	cr_assert_eq(rig.s.tx.data[0], '-');
}

Test(session, a_packet_too_long_is_refused_and_the_next_one_served, .init = setup, .fini = teardown)
{
	static uint8_t body[RSP_PACKET_MAX + 100];
	memset(body, 'a', sizeof(body));
	wire_send(&rig.s, body, sizeof(body));
	size_t at = 0;
	cr_assert(wire_next(&rig.s.tx, &at, &payload));
	cr_assert_arr_eq(payload.data, "E01", 3);
	buf_clear(&rig.s.tx);
	feed("$qC#b4");
	cr_assert_eq(take_replies(), 1);
}

Test(session, a_new_client_finds_nothing_of_the_last_one, .init = setup, .fini = teardown)
{
	wire_send(&rig.s, "qSupported:multiprocess+;error-message+", 39);
	wire_send(&rig.s, "QStartNoAckMode", 15);
	wire_send(&rig.s, "QPassSignals:e", 14);
	feed("$torn");
	rig_reconnect(&rig);
	cr_assert_not(rig.s.peer.multiprocess || rig.s.peer.error_message || rig.s.noack);
	feed("$qC#b4");
	cr_assert_eq(rig.s.tx.data[0], '+');
	size_t at = 0;
	cr_assert(wire_next(&rig.s.tx, &at, &payload));
	buf_put(&payload, "", 1);
	cr_assert_str_eq((char *)payload.data, "QC1a2b");
	for (size_t i = 0; i < SIGNAL_BYTES; i++)
		cr_assert_eq(rig.s.pass_signals[i], 0);
}
