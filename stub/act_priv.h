/* SPDX-License-Identifier: MIT */
/* For act*.c alone. */
#ifndef STUB_ACT_PRIV_H
#define STUB_ACT_PRIV_H

#include "stub/act.h"

/* The page: the forged handler, a name, and the text that the handler runs. */
#define ACT_PAGE    4096u
#define ACT_NAME_AT 0x200u
#define ACT_TEXT_AT 0x400u

/* ACT_BY_DETOUR: behind the page, what its code works with, and the code. */
#define ACT_DATA_AT (uint64_t) ACT_PAGE
#define ACT_CODE_AT (ACT_DATA_AT + TARGET_DETOUR_DATA)
#define ACT_SIZE    (ACT_CODE_AT + TARGET_DETOUR_CODE)

/* The memfd begins with u64 words; then come a name, the wrapper, the script, the result. */
enum { ACT_WORD_DONE = 0, ACT_WORD_BEGUN = 8, ACT_WORD_STOP = 16, ACT_WORD_LINK = 24 };
#define ACT_FILE_NAME_AT 64u
#define ACT_FILE_TEXT_AT 4096u

/* act_thread.c: finds the thread that @job is for, and how it can be made to run it. */
struct err *act_choose_way(struct act *a, struct target *t, struct python *py) MUST_CHECK;

/* act_official.c */
struct err *act_official_check(struct act *a, struct target *t, struct python *py) MUST_CHECK;
/* Has the thread open the file at descriptor @fd of its own. */
struct err *act_official_ask(struct act *a, struct target *t, struct python *py, int fd) MUST_CHECK;
/* It shall not any more. */
void act_official_revoke(struct act *a, struct target *t, struct python *py);

struct err *act_choose_signal(struct act *a, struct target *t) MUST_CHECK;
/* The object at @func is called as soon as Python looks for signals. */
struct err *act_trip(struct act *a, struct target *t, uint64_t func) MUST_CHECK;
void act_restore_handler(struct act *a, struct target *t);
void act_unmap_page(struct act *a, struct target *t);
/* Its number may be another file's by now; then that stays. */
void act_close_file(struct act *a, struct target *t);
void act_close_path(struct act *a, struct target *t);
/* Whether it is still the same program that we know something of. */
bool act_is_same(struct act *a, struct target *t);

#endif
