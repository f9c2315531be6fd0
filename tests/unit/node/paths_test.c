#include "node/paths.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit/unit.h"

static char folder[64];

/* NULL: not set. */
static void env(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void make_file(const char *path, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    for (size_t i = 0; i < len; i++)
        fputc('k', f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void expect_default(const char *xdg, const char *home, const char *expected)
{
    char buf[PATH_TEXT_MAX];
    env("XDG_DATA_HOME", xdg);
    env("HOME", home);
    assert_int_equal(path_default_key(buf, sizeof(buf)), OK);
    assert_string_equal(buf, expected);
}

static void test_default_key(void **state)
{
    char expected[PATH_TEXT_MAX];
    const struct passwd *pw = getpwuid(geteuid());
    (void)state;
    expect_default("/x", "/h", "/x/mycelium/priv_key.bin");
    expect_default(NULL, "/h", "/h/.local/share/mycelium/priv_key.bin");
    expect_default("", "/h", "/h/.local/share/mycelium/priv_key.bin");
    expect_default("relative", "/h", "/h/.local/share/mycelium/priv_key.bin");
    if (pw && pw->pw_dir && pw->pw_dir[0])
        snprintf(expected, sizeof(expected), "%s/.local/share/mycelium/priv_key.bin", pw->pw_dir);
    else
        strcpy(expected, "./mycelium/priv_key.bin");
    expect_default(NULL, NULL, expected);
    expect_default(NULL, "", expected);
}

static void test_default_config(void **state)
{
    char buf[PATH_TEXT_MAX];
    (void)state;
    env("HOME", "/h");
    env("XDG_CONFIG_HOME", NULL);
    assert_int_equal(path_default_config(buf, sizeof(buf)), OK);
    assert_string_equal(buf, "/h/.config/mycelium/mycelium.toml");
    env("XDG_CONFIG_HOME", "/c");
    assert_int_equal(path_default_config(buf, sizeof(buf)), OK);
    assert_string_equal(buf, "/c/mycelium/mycelium.toml");
}

static void expect_key(const char *expected, bool expected_legacy)
{
    char buf[PATH_TEXT_MAX];
    bool legacy = !expected_legacy;
    assert_int_equal(path_key(buf, sizeof(buf), &legacy), OK);
    assert_string_equal(buf, expected);
    assert_int_equal(legacy, expected_legacy);
}

static void test_key_of_the_working_directory(void **state)
{
    char expected[128], command[160];
    (void)state;
    env("XDG_DATA_HOME", folder);
    snprintf(expected, sizeof(expected), "%s/mycelium/priv_key.bin", folder);
    expect_key(expected, false);
    make_file("priv_key.bin", 32, 0600);
    expect_key("./priv_key.bin", true);
    make_file("priv_key.bin", 31, 0600);
    expect_key(expected, false); /* too short */
    make_file("priv_key.bin", 40, 0644);
    expect_key("./priv_key.bin", true); /* others may read it: warned about, used */
    make_file("priv_key.bin", 40, 0620);
    expect_key(expected, false); /* others could have put it there */
    make_file("priv_key.bin", 40, 0602);
    expect_key(expected, false);
    if (geteuid() == 0) {
        make_file("priv_key.bin", 40, 0600);
        assert_int_equal(chown("priv_key.bin", 12345, 12345), 0);
        expect_key(expected, false);
        assert_int_equal(chown("priv_key.bin", 0, 0), 0);
    }
    make_file("priv_key.bin", 32, 0600);
    snprintf(command, sizeof(command), "mkdir %s/mycelium", folder);
    assert_int_equal(system(command), 0);
    expect_key("./priv_key.bin", true);
    make_file(expected, 1, 0600);
    expect_key(expected, false); /* the default path wins, whatever it holds */
    assert_int_equal(unlink(expected), 0);
    assert_int_equal(symlink("/nonexistent/key", expected), 0);
    expect_key(expected, false); /* a link that leads nowhere is told, not passed over */
    assert_int_equal(unlink("priv_key.bin"), 0);
    assert_int_equal(mkdir("priv_key.bin", 0700), 0);
    assert_int_equal(unlink(expected), 0);
    expect_key(expected, false);
    assert_int_equal(rmdir("priv_key.bin"), 0);
}

static void expect_state(const char *option, const char *key, const char *expected)
{
    char buf[PATH_TEXT_MAX];
    assert_int_equal(path_state(option, key, buf, sizeof(buf)), OK);
    assert_string_equal(buf, expected);
}

static void test_state(void **state)
{
    (void)state;
    env("XDG_DATA_HOME", "/x");
    env("STATE_DIRECTORY", NULL);
    expect_state(NULL, NULL, "/x/mycelium");
    expect_state(NULL, "dir/k.bin", "dir/k.bin.state");
    expect_state("/s", "dir/k.bin", "/s");
    env("STATE_DIRECTORY", "");
    expect_state(NULL, NULL, "/x/mycelium");
    env("STATE_DIRECTORY", "/var/lib/mycelium");
    expect_state(NULL, "dir/k.bin", "/var/lib/mycelium");
    expect_state("/s", NULL, "/s");
    env("STATE_DIRECTORY", "/var/lib/a:/var/lib/b");
    expect_state(NULL, NULL, "/var/lib/a");
    env("STATE_DIRECTORY", NULL);
}

static void test_folder(void **state)
{
    char buf[16];
    (void)state;
    assert_int_equal(path_folder("/a/b", buf, sizeof(buf)), OK);
    assert_string_equal(buf, "/a");
    assert_int_equal(path_folder("/a", buf, sizeof(buf)), OK);
    assert_string_equal(buf, "/");
    assert_int_equal(path_folder("a", buf, sizeof(buf)), OK);
    assert_string_equal(buf, ".");
    assert_int_equal(path_folder("a/b/c", buf, sizeof(buf)), OK);
    assert_string_equal(buf, "a/b");
}

/* A buffer of every size is filled whole or not at all. */
static void test_room(void **state)
{
    const char *expected = "/x/mycelium/priv_key.bin";
    char buf[64];
    bool legacy;
    (void)state;
    env("XDG_DATA_HOME", "/x");
    for (size_t cap = 1; cap < 40; cap++) {
        int rc = path_default_key(buf, cap);
        assert_int_equal(rc, cap > strlen(expected) ? OK : ERR_TOOBIG);
        assert_int_equal(path_key(buf, cap, &legacy), rc);
    }
    assert_int_equal(path_state("/0123456789", NULL, buf, 11), ERR_TOOBIG);
    assert_int_equal(path_state("/0123456789", NULL, buf, 12), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_key),
        cmocka_unit_test(test_default_config),
        cmocka_unit_test(test_key_of_the_working_directory),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_room),
    };
    char command[96];
    strcpy(folder, "/tmp/mycelium-paths-XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command) == 0 ? failed : 1;
}
