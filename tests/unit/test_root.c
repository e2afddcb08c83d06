/* SPDX-License-Identifier: MIT */
/* Both ways of opening a path in another root, over the same small tree. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/root.h"

typedef int (*opener)(int root, const char *path, int flags, mode_t mode);

static const opener openers[] = { root_open, root_open_walking };
static const char *const opener_names[] = { "root_open", "root_open_walking" };

static void put_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* A tree whose links all mean something else outside of it. */
static int make_tree(char path[64])
{
	strcpy(path, "/tmp/archerfish-root-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	int root = open(path, O_RDONLY | O_DIRECTORY);
	cr_assert_geq(root, 0);
	cr_assert_eq(mkdirat(root, "etc", 0700), 0);
	cr_assert_eq(mkdirat(root, "usr", 0700), 0);
	cr_assert_eq(mkdirat(root, "usr/lib", 0700), 0);
	put_file(root, "etc/hostname", "inner");
	put_file(root, "usr/lib/libc.so", "libc");
	cr_assert_eq(symlinkat("/usr/lib", root, "lib"), 0);
	cr_assert_eq(symlinkat("usr/lib", root, "relative"), 0);
	cr_assert_eq(symlinkat("/etc/hostname", root, "abs"), 0);
	cr_assert_eq(symlinkat("../../../../etc/hostname", root, "up"), 0);
	cr_assert_eq(symlinkat("loop2", root, "loop1"), 0);
	cr_assert_eq(symlinkat("loop1", root, "loop2"), 0);
	cr_assert_eq(symlinkat("nowhere", root, "dangling"), 0);
	return root;
}

static void drop_tree(int root, const char *path)
{
	char command[96];
	close(root);
	snprintf(command, sizeof(command), "rm -r %s", path);
	cr_assert_eq(system(command), 0);
}

Test(root, a_path_means_what_it_means_inside)
{
	static const struct {
		const char *path, *text; /* NULL: cannot be opened, with this errno */
		int error;
	} cases[] = {
		{ "/etc/hostname", "inner", 0 },
		{ "etc/hostname", "inner", 0 },
		{ "//etc/./hostname", "inner", 0 },
		{ "/../../etc/hostname", "inner", 0 },
		{ "/usr/lib/../../../etc/hostname", "inner", 0 },
		{ "/lib/libc.so", "libc", 0 },
		{ "/relative/libc.so", "libc", 0 },
		{ "/lib/../lib/libc.so", "libc", 0 },
		{ "/abs", "inner", 0 },
		{ "/up", "inner", 0 },
		{ "/loop1", NULL, ELOOP },
		{ "/loop1/x", NULL, ELOOP },
		{ "/dangling", NULL, ENOENT },
		{ "/etc/shadow", NULL, ENOENT },
		{ "/etc/hostname/", NULL, ENOTDIR },
		{ "/etc/hostname/x", NULL, ENOTDIR },
		{ "", NULL, ENOENT },
	};
	char path[64], text[16];
	int root = make_tree(path);

	for (size_t how = 0; how < 2; how++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			memset(text, 0, sizeof(text));
			int fd = openers[how](root, cases[i].path, O_RDONLY, 0);
			int error = fd < 0 ? errno : 0;
			cr_assert_eq(error, cases[i].error, "%s %s: %s", opener_names[how],
				     cases[i].path, strerror(error));
			if (fd < 0)
				continue;
			cr_assert_geq(read(fd, text, sizeof(text) - 1), 0);
			cr_assert_str_eq(text, cases[i].text, "%s %s", opener_names[how],
					 cases[i].path);
			close(fd);
		}
	}
	drop_tree(root, path);
}

Test(root, directories_open_and_the_root_is_its_own_parent)
{
	static const char *const same[] = { "/", "..", "/.", "/..", "/usr/..", "/lib/../.." };
	char path[64];
	struct stat want, got;
	int root = make_tree(path);

	cr_assert_eq(fstat(root, &want), 0);
	for (size_t how = 0; how < 2; how++) {
		for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
			int fd = openers[how](root, same[i], O_PATH, 0);
			cr_assert_geq(fd, 0, "%s %s", opener_names[how], same[i]);
			cr_assert_eq(fstat(fd, &got), 0);
			cr_assert_eq(got.st_ino, want.st_ino, "%s %s", opener_names[how], same[i]);
			cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
			close(fd);
		}
	}
	drop_tree(root, path);
}

Test(root, files_are_made_through_links_but_not_in_place_of_them)
{
	char path[64];
	int root = make_tree(path);

	for (size_t how = 0; how < 2; how++) {
		int fd = openers[how](root, "/dangling", O_WRONLY | O_CREAT, 0600);
		cr_assert_geq(fd, 0, "%s", opener_names[how]);
		close(fd);
		cr_assert_eq(faccessat(root, "nowhere", F_OK, 0), 0);
		fd = openers[how](root, "/dangling", O_WRONLY | O_CREAT | O_EXCL, 0600);
		cr_assert(fd < 0 && errno == EEXIST, "%s", opener_names[how]);
		cr_assert_eq(unlinkat(root, "nowhere", 0), 0);
	}
	drop_tree(root, path);
}

Test(root, links_are_read_and_stated_themselves)
{
	char path[64], target[64] = "";
	struct stat st;
	int root = make_tree(path);

	cr_assert_eq(root_readlink(root, "/abs", target, sizeof(target)), 13);
	cr_assert_str_eq(target, "/etc/hostname");
	cr_assert_eq(root_readlink(root, "/etc/hostname", target, sizeof(target)), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert(root_lstat(root, "/abs", &st) == 0 && S_ISLNK(st.st_mode));
	cr_assert(root_stat(root, "/abs", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 5);
	cr_assert(root_lstat(root, "/dangling", &st) == 0 && S_ISLNK(st.st_mode));
	cr_assert(root_stat(root, "/dangling", &st) < 0 && errno == ENOENT);
	int fd = root_open_walking(root, "/abs", O_PATH | O_NOFOLLOW, 0);
	cr_assert(fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	close(fd);
	drop_tree(root, path);
}

Test(root, unlink_takes_the_link_and_not_what_it_names)
{
	char path[64];
	int root = make_tree(path);

	cr_assert_eq(root_unlink(root, "/lib/libc.so"), 0);
	cr_assert_neq(faccessat(root, "usr/lib/libc.so", F_OK, 0), 0);
	cr_assert_eq(root_unlink(root, "abs"), 0);
	cr_assert_eq(faccessat(root, "etc/hostname", F_OK, 0), 0);
	cr_assert(root_unlink(root, "/usr") < 0 && errno == EISDIR);
	cr_assert(root_unlink(root, "/nothing") < 0 && errno == ENOENT);
	drop_tree(root, path);
}

Test(root, our_own_root_is_recognised_and_another_is_not)
{
	char path[64];
	int root = make_tree(path), own = open("/", O_PATH);
	cr_assert(root_is_ours(own, getpid()));
	cr_assert_not(root_is_ours(root, getpid()));
	close(own);
	drop_tree(root, path);
}
