/* SPDX-License-Identifier: MIT */
/* Starting and attaching, with processes that are made up. */
#include <stdio.h>
#include <stdlib.h>

#include "stub/handlers.h"
#include "stub/start.h"
#include "tests/unit/bench.h"

static struct {
	struct fake fake[4];
	unsigned int n;
} made;

static struct err *make(struct target *beside, struct target **ret)
{
	struct fake *f = &made.fake[made.n];

	(void)beside;
	if (made.n == 4)
		return err_new(ERR_STATE, "no more of them");
	fake_init(f, NULL, 0, NULL);
	f->target.pid = 0x2000 + (pid_t)made.n++;
	f->tids[0] = f->target.pid;
	*ret = &f->target;
	return NULL;
}

static struct err *launch(struct start *st, struct target *beside, struct target **ret)
{
	cr_assert(st->argv && st->argv[0]);
	return make(beside, ret);
}

static struct err *attach(const struct options *o, pid_t pid, struct target *beside,
			  struct target **ret)
{
	(void)o;
	cr_assert_gt(pid, 0);
	return make(beside, ret);
}

static const struct starter starter = { .launch = launch, .attach = attach };

static void init(struct bench *b)
{
	bench_init(b, NULL, 0);
	made.n = 0;
	b->s.starter = &starter;
}

Test(h_start, without_a_starter_nothing_can_be_started)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	assert_answer(&b, "vRun;2f", "");
	assert_answer(&b, "vAttach;1", "");
	assert_answer(&b, "QSetWorkingDir:2f", "");
	cr_assert_null(strstr(ask(&b, "qSupported"), "QStartupWithShell"));
	bench_deinit(&b);
}

Test(h_start, environment_is_kept_bounded_and_given_back)
{
	struct bench b;
	init(&b);
	assert_answer(&b, "QEnvironmentHexEncoded:413d31", "OK"); /* A=1 */
	assert_answer(&b, "QEnvironmentHexEncoded:413d32", "OK");
	cr_assert_str_eq(b.s.start->env[b.s.start->nenv - 1], "A=2");
	assert_answer(&b, "QEnvironmentUnset:41", "OK");
	cr_assert_str_neq(b.s.start->env[b.s.start->nenv - 1], "A=2");
	assert_answer(&b, "QEnvironmentHexEncoded:3d31", "E01");
	assert_answer(&b, "QEnvironmentHexEncoded:41003d", "E01");
	assert_answer(&b, "QEnvironmentUnset:", "E01");
	assert_answer(&b, "QEnvironmentReset", "OK");
	cr_assert_null(b.s.start->env);
	char *big = calloc(1, 100000);
	memset(big, 'x', 99999);
	memcpy(big, "QEnvironment:A=", 15);
	unsigned int taken = 0;
	while (taken < 100 && strcmp(ask(&b, big), "OK") == 0)
		taken++;
	cr_assert_eq(taken, START_TEXT_MAX / 99986);
	free(big);
	bench_deinit(&b);
}

Test(h_start, another_process_is_refused_where_none_can_be_beside)
{
	struct bench b;
	init(&b);
	assert_answer(&b, "vAttach;0", "E01");
	assert_answer(&b, "vAttach;80000000", "E01");
	assert_answer(&b, "vAttach;12",
		      "E01"); /* one is there, and the client names no processes */
	assert_answer(&b, "vRun;2f", "E01");
	bench_deinit(&b);
}

Test(h_start, words_are_taken_as_they_come)
{
	struct bench b;
	init(&b);
	b.fake.target.pid = 0;
	assert_answer(&b, "vRun;", "E01");
	assert_answer(&b, "vRun;2f;0", "E01");
	cr_assert_eq(ask(&b, "vRun;2f61;;62")[0], 'T');
	cr_assert_str_eq(b.s.start->argv[0], "/a");
	cr_assert_str_eq(b.s.start->argv[1], "");
	cr_assert_str_eq(b.s.start->argv[2], "b");
	cr_assert_null(b.s.start->argv[3]);
	cr_assert_eq(made.n, 1);
	session_close_targets(&b.s);
	b.s.target->pid = 0;
	bench_deinit(&b);
}
