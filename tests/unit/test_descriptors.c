/* The limit of open files: raised to what the node may need, or the start refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/descriptors.h"

enum { SOFT = 64, HARD = 256 };

/* In a child: a limit that was lowered can't be raised again. Its exit code is what failed. */
static int under_low_limits(uint64_t need, int expected, rlim_t soft_after)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct rlimit limit = {SOFT, HARD};
        struct fault fault = {""};

        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            _exit(1);
        }
        if (descriptors_reserve(need, &fault) != expected) {
            _exit(2);
        }
        if (expected != 0 && strstr(fault.text, "LimitNOFILE") == NULL) {
            _exit(3);
        }
        _exit(getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur != soft_after ? 4 : 0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_limit_is_raised(void **state)
{
    (void)state;
    assert_int_equal(under_low_limits(SOFT, 0, HARD), 0);
    assert_int_equal(under_low_limits(HARD, 0, HARD), 0);
}

static void too_few_are_refused(void **state)
{
    (void)state;
    assert_int_equal(under_low_limits(HARD + 1, -1, SOFT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_raised),
        cmocka_unit_test(too_few_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
