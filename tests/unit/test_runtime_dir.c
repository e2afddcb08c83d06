/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub/runtime_dir.h"

static char top[] = "/tmp/archerfish-test-XXXXXX";
static char base[64];

static void make_top(void)
{
	cr_assert_not_null(mkdtemp(top));
	snprintf(base, sizeof(base), "%s/archerfish", top);
	setenv("XDG_RUNTIME_DIR", top, 1);
}

static void remove_top(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", top);
	cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of our own */
}

TestSuite(runtime_dir, .init = make_top, .fini = remove_top);

static struct runtime_dir *open_dir(void)
{
	struct runtime_dir *d = NULL;
	struct err *err = runtime_dir_open(&d);
	cr_assert_null(err, "%s", err->msg);
	return d;
}

static size_t count(const char *pattern)
{
	char path[128];
	glob_t g = { 0 };
	snprintf(path, sizeof(path), "%s/%s", top, pattern);
	size_t n = glob(path, GLOB_PERIOD, NULL, &g) == 0 ? g.gl_pathc : 0;
	globfree(&g);
	return n;
}

Test(runtime_dir, is_private_and_gone_when_closed)
{
	struct runtime_dir *d = open_dir();
	struct stat st;
	cr_assert_eq(strncmp(runtime_dir_path(d), base, strlen(base)), 0);
	cr_assert_eq(stat(runtime_dir_path(d), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(stat(base, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_null(runtime_dir_put(d, "py-1.so", "abc", 3));
	runtime_dir_close(d);
	cr_assert_eq(count("archerfish"), 0);
}

Test(runtime_dir, files_are_written_replaced_and_removed)
{
	struct runtime_dir *d = open_dir();
	char path[5000], text[16];
	struct stat st;
	cr_assert_null(runtime_dir_put(d, "py-1.so", "abc", 3));
	cr_assert_null(runtime_dir_put(d, "py-1.so", "defgh", 5));
	snprintf(path, sizeof(path), "%s/py-1.so", runtime_dir_path(d));
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	FILE *f = fopen(path, "re");
	cr_assert_eq(fread(text, 1, sizeof(text), f), 5);
	cr_assert_eq(memcmp(text, "defgh", 5), 0);
	fclose(f);
	runtime_dir_remove(d, "py-1.so");
	cr_assert_eq(count("archerfish/*/*.so"), 0);
	runtime_dir_close(d);
}

Test(runtime_dir, names_that_lead_elsewhere_are_refused)
{
	const char *names[] = { "", ".", "..", "../x", "a/b", "/etc/x", ".new" };
	struct runtime_dir *d = open_dir();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct err *err = runtime_dir_put(d, names[i], "", 0);
		cr_assert(err && err->code == ERR_STATE, "\"%s\"", names[i]);
		err_drop(err);
	}
	runtime_dir_close(d);
}

Test(runtime_dir, two_of_one_process_do_not_meet)
{
	struct runtime_dir *a = open_dir(), *b = open_dir();
	cr_assert_neq(strcmp(runtime_dir_path(a), runtime_dir_path(b)), 0);
	cr_assert_null(runtime_dir_put(a, "x", "", 0));
	runtime_dir_close(b);
	cr_assert_eq(count("archerfish/*/x"), 1);
	runtime_dir_close(a);
	cr_assert_eq(count("archerfish"), 0);
}

Test(runtime_dir, what_the_dead_left_is_removed_and_what_the_living_have_is_not)
{
	struct runtime_dir *live = open_dir();
	cr_assert_null(runtime_dir_put(live, "mine", "", 0));
	pid_t pid = fork();
	if (pid == 0) {
		struct runtime_dir *d;
		if (runtime_dir_open(&d) || runtime_dir_put(d, "left", "x", 1))
			_exit(1);
		_exit(0); /* as if it were killed */
	}
	int status;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(count("archerfish/*/left"), 1);
	struct runtime_dir *next = open_dir();
	cr_assert_eq(count("archerfish/*/left"), 0);
	cr_assert_eq(count("archerfish/*/mine"), 1);
	runtime_dir_close(next);
	runtime_dir_close(live);
}

/* Where the folder is not ours alone, the next place is taken. */
static void check_elsewhere(void)
{
	struct runtime_dir *d = open_dir();
	cr_assert_neq(strncmp(runtime_dir_path(d), top, strlen(top)), 0, "%s", runtime_dir_path(d));
	runtime_dir_close(d);
}

Test(runtime_dir, a_folder_that_others_can_read_is_not_used)
{
	cr_assert_eq(mkdir(base, 0755), 0);
	check_elsewhere();
}

Test(runtime_dir, a_link_is_not_followed)
{
	cr_assert_eq(symlink("/tmp", base), 0);
	check_elsewhere();
}

Test(runtime_dir, a_folder_of_somebody_else_is_not_used)
{
	cr_assert_eq(mkdir(base, 0700), 0);
	if (chown(base, 12345, 12345) < 0)
		cr_skip_test("only root can give a folder away");
	check_elsewhere();
}
