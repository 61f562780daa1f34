// What can be wrong with a SQLite file, before and while weft uses it.
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>
#include <weft/weft.hpp>

#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <barrier>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace sqlite_faults_test {

using namespace std::chrono_literals;
using namespace weft::literals;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SqliteFaults : public ::testing::Test
{
protected:
    std::string file() const { return (directory / "weft.db").string(); }
    std::string url() const { return "sqlite://" + file(); }

    // The message of the store_error that opening gives; empty if it opens.
    static std::string why_not(std::string const& url, weft::store_options options = {})
    {
        try
        {
            weft::open_store(url, std::move(options));
            return {};
        }
        catch (weft::store_error const& e)
        {
            EXPECT_FALSE(e.in_doubt());
            return e.what();
        }
    }

    static bool soon(std::function<bool()> const& done)
    {
        for (int i = 0; i < 2000; ++i)
        {
            if (done())
                return true;
            ::poll(nullptr, 0, 10);
        }
        return false;
    }

    temporary_directory         own;
    std::filesystem::path const directory = own.path();
};

int one() { return 1; }

weft::workflow<int> three_steps(weft::context& wf)
{
    int sum = 0;
    for (int i = 0; i < 3; ++i)
        sum += co_await wf.step("one", &one);
    co_return sum;
}

TEST_F(SqliteFaults, AMissingDirectoryIsNamed)
{
    EXPECT_THAT(why_not("sqlite://" + (directory / "nowhere" / "weft.db").string()),
                AllOf(HasSubstr("nowhere/weft.db"), HasSubstr("unable to open")));
}

TEST_F(SqliteFaults, AnUnknownUrlIsRefusedWithWhatThereIs)
{
    try
    {
        weft::open_store("oracle://somewhere");
        FAIL();
    }
    catch (weft::misuse const& e)
    {
        EXPECT_THAT(e.what(), AllOf(HasSubstr("\"oracle\""), HasSubstr("sqlite://FILE")));
    }
}

TEST_F(SqliteFaults, AFileMayHaveAnyName)
{
    for (std::string const name : {"with space.db", "a=b.db", "quote'.db", "ü;&.db"})
    {
        weft::open_store("sqlite://" + (directory / name).string());
        EXPECT_TRUE(std::filesystem::exists(directory / name)) << name;
    }
    weft::open_store("sqlite://" + (directory / "percent%25question%3F.db").string());
    EXPECT_TRUE(std::filesystem::exists(directory / "percent%question?.db"));
}

TEST_F(SqliteFaults, AFileThatIsNoDatabaseIsNamedAndLeftAlone)
{
    std::ofstream(file()) << "Dear diary, today I learned about transactions. This is longer than a header of SQLite would be, by some.\n";
    auto const before = std::filesystem::file_size(file());
    EXPECT_THAT(why_not(url()), AllOf(HasSubstr(file()), HasSubstr("not a database")));
    EXPECT_EQ(std::filesystem::file_size(file()), before);
}

TEST_F(SqliteFaults, ADatabaseOfANewerWeftIsRefused)
{
    weft::open_store(url());
    soci::session(soci::sqlite3, "dbname=" + file()) << "UPDATE kv SET v = '99' WHERE cat = 'schema' AND k = 'min_reader'";
    EXPECT_THAT(why_not(url()), AllOf(HasSubstr(file()), HasSubstr("99")));
}

TEST_F(SqliteFaults, ADatabaseOfANewerWeftThatWeCanReadIsOpened)
{
    weft::open_store(url());
    soci::session(soci::sqlite3, "dbname=" + file()) << "UPDATE kv SET v = '99' WHERE cat = 'schema' AND k = 'version'";
    EXPECT_EQ(why_not(url()), "");
}

// Permissions mean nothing to root, so another user tries.
TEST_F(SqliteFaults, AFileThatMayNotBeWrittenIsNamed)
{
    weft::open_store(url());
    std::filesystem::permissions(directory, std::filesystem::perms::all);
    std::filesystem::permissions(file(), std::filesystem::perms::owner_read | std::filesystem::perms::others_read);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    auto const child = ::fork();
    if (child == 0)
    {
        if (::geteuid() == 0 && ::setuid(65534) != 0)
            ::_exit(2);
        auto const why = why_not(url());
        ::_exit(::write(ends[1], why.data(), why.size()) == static_cast<ssize_t>(why.size()) ? 0 : 3);
    }
    ::close(ends[1]);
    char       room[4096];
    auto const n = ::read(ends[0], room, sizeof room);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_THAT(std::string(room, static_cast<std::size_t>(std::max<ssize_t>(0, n))),
                AllOf(HasSubstr(file()), AnyOf(HasSubstr("readonly"), HasSubstr("unable to open"))));
}

TEST_F(SqliteFaults, ADatabaseThatIsLockedForLongIsNamedAndUsedOnceItIsFree)
{
    auto const    store = weft::open_store(url(), {.busy_timeout = 50ms});
    soci::session other(soci::sqlite3, "dbname=" + file());
    other << "BEGIN IMMEDIATE";
    weft::create_write w;
    w.gid = "g1";
    weft::write const write(w);
    try
    {
        store->apply(std::span(&write, 1), false);
        FAIL();
    }
    catch (weft::store_error const& e)
    {
        EXPECT_FALSE(e.in_doubt());
        EXPECT_THAT(e.what(), AllOf(HasSubstr(file()), HasSubstr("locked")));
    }
    other << "COMMIT";
    EXPECT_EQ(store->apply(std::span(&write, 1), false).front().what, weft::written::done);
}

// As several weftd do that are started together for the first time.
TEST_F(SqliteFaults, ANewDatabaseIsOpenedBySeveralAtOnce)
{
    for (int i = 0; i < 50; ++i)
    {
        auto const               own_url = "sqlite://" + (directory / ("new-" + std::to_string(i) + ".db")).string();
        std::barrier             together(4);
        std::vector<std::string> said(4);
        {
            std::vector<std::jthread> all;
            for (auto& s : said)
                all.emplace_back([&] {
                    together.arrive_and_wait();
                    s = why_not(own_url);
                });
        }
        EXPECT_THAT(said, ::testing::Each(::testing::IsEmpty()));
    }
}

TEST_F(SqliteFaults, WhatOneWriteCannotHaveHurtsNoOther)
{
    auto const store = weft::open_store(url());
    soci::session(soci::sqlite3, "dbname=" + file()) << "CREATE TRIGGER not_this_one BEFORE INSERT ON trans_global WHEN NEW.gid = 'bad' "
                                                        "BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    weft::create_write good, bad;
    good.gid = "good";
    good.workflow = bad.workflow = "w";
    bad.gid = "bad";
    bad.input = R"("a secret")";
    std::vector<weft::write> const batch{bad, good};
    auto const                     results = store->apply(batch, false);
    EXPECT_EQ(results[0].what, weft::written::refused);
    EXPECT_THAT(results[0].why, AllOf(HasSubstr("not this one"), Not(HasSubstr("secret")))) << "no payload appears in an error";
    EXPECT_EQ(results[1].what, weft::written::done);
    EXPECT_FALSE(store->find("bad", false));
    EXPECT_TRUE(store->find("good", false));
}

TEST_F(SqliteFaults, AFileThatDisappearsAndComesBackLosesNothing)
{
    auto const store = weft::open_store(url());
    weft::host host(*store);
    auto const flow = host.engine().add("three-steps", &three_steps);
    host.start();
    EXPECT_EQ(flow.execute("before"_gid, weft::blocking), 3);

    auto const away = directory / "away";
    std::filesystem::create_directory(away);
    for (auto const* end : {"", "-wal", "-shm"})
        std::filesystem::rename(file() + end, away / (std::string("weft.db") + end));
    auto during = flow.execute("during"_gid, boost::asio::use_future);
    EXPECT_EQ(during.wait_for(300ms), std::future_status::timeout) << "nothing is reported that is not durable";
    weft::create_write w;
    w.gid = "directly";
    weft::write const write(w);
    try
    {
        store->apply(std::span(&write, 1), false);
        ADD_FAILURE() << "the file is not there";
    }
    catch (weft::store_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr(file()));
    }

    for (auto const* end : {"", "-wal", "-shm"})
        if (std::filesystem::exists(away / (std::string("weft.db") + end)))
            std::filesystem::rename(away / (std::string("weft.db") + end), file() + end);
    ASSERT_EQ(during.wait_for(20s), std::future_status::ready);
    EXPECT_EQ(during.get(), 3);
    EXPECT_EQ(store->find("before", false)->status, weft::status::succeed);
    EXPECT_EQ(flow.execute("after"_gid, weft::blocking), 3);
}

TEST_F(SqliteFaults, AFullDiskHoldsEverythingUpAndLosesNothing)
{
    auto const disk = directory / "disk";
    std::filesystem::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2m") != 0)
        GTEST_SKIP() << "a small file system cannot be mounted here (needs root): " << std::strerror(errno);
    struct unmount
    {
        std::filesystem::path where;
        ~unmount() { ::umount2(where.c_str(), MNT_DETACH); }
    } const at_the_end{disk};
    {
        auto const store = weft::open_store("sqlite://" + (disk / "weft.db").string());
        weft::host host(*store);
        auto const flow = host.engine().add("three-steps", &three_steps);
        host.start();
        EXPECT_EQ(flow.execute("before"_gid, weft::blocking), 3);
        {
            std::ofstream     filler(disk / "filler");
            std::string const block(4096, 'x');
            while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush())
            { }
        }
        std::vector<std::future<int>> during;
        for (int i = 0; i < 50; ++i)
            during.push_back(flow.execute(weft::gid("during-" + std::to_string(i)), boost::asio::use_future));
        EXPECT_EQ(during.back().wait_for(300ms), std::future_status::timeout);
        std::filesystem::remove(disk / "filler");
        for (auto& d : during)
        {
            ASSERT_EQ(d.wait_for(20s), std::future_status::ready);
            EXPECT_EQ(d.get(), 3);
        }
    }
}

TEST_F(SqliteFaults, AFileDamagedInTheMiddleIsNamedAndWhatCanBeReadIsLeft)
{
    {
        auto const store = weft::open_store(url());
        for (int i = 0; i < 200; ++i)
        {
            weft::create_write w;
            w.gid = "g" + std::to_string(i);
            w.workflow = "three-steps";
            w.input.assign(1'002, 'x');
            w.input.front() = w.input.back() = '"';
            weft::write const write(w);
            store->apply(std::span(&write, 1), false);
        }
    }
    auto const size = std::filesystem::file_size(file());
    ASSERT_GT(size, 40u * 4096u);
    {
        // The second half: rows, and the pages that lead to them. The head of the file and the schema stay.
        std::fstream      damage(file(), std::ios::in | std::ios::out | std::ios::binary);
        std::string const garbage(size / 2, '\x5a');
        damage.seekp(static_cast<std::streamoff>(size / 2));
        damage.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
    }
    auto const store = weft::open_store(url());
    auto const message = [](auto f) -> std::string {
        try
        {
            f();
            return {};
        }
        catch (weft::store_error const& e)
        {
            return e.what();
        }
    };
    EXPECT_THAT(message([&] { store->list({.limit = 1'000}); }), AllOf(HasSubstr(file()), HasSubstr("malformed")));
    EXPECT_THAT(message([&] { store->find("g199", true); }), AllOf(HasSubstr(file()), HasSubstr("malformed")));
    EXPECT_TRUE(store->find("g0", true)) << "its page is whole";

    // An engine on it goes on trying, says so, and stops when it is told to.
    weft::host host(*store);
    host.engine().add("three-steps", &three_steps);
    host.start();
    auto const asked = host.engine().query("g199"_gid, boost::asio::use_future).wait_for(10s);
    EXPECT_EQ(asked, std::future_status::ready);
    host.stop(1s);
}

// Ends the store's transaction each time; the second time, another process has the database before the next one begins.
struct breaks_the_batch final : weft::local_operation
{
    explicit breaks_the_batch(std::string f) : file(std::move(f)) { }
    bool run(weft::record_writer& writer) override
    {
        *std::any_cast<soci::session*>(writer.connection()) << "ROLLBACK";
        if (++runs == 2)
        {
            other.open(soci::sqlite3, "dbname=" + file);
            other << "BEGIN IMMEDIATE";
        }
        return false;
    }

    std::string   file;
    int           runs = 0;
    soci::session other;
};

TEST_F(SqliteFaults, ABatchOfWhichSomeIsWrittenIsInDoubt)
{
    auto const                     store = weft::open_store(url(), {.busy_timeout = 50ms});
    std::vector<std::string> const names{"three-steps"};
    store->register_engine("e1", names);
    weft::create_write create;
    create.gid = "g1";
    create.workflow = "three-steps";
    create.owner = "e1";
    weft::write const created(create);
    ASSERT_EQ(store->apply(std::span(&created, 1), false).front().what, weft::written::done);

    weft::extend_write extend;
    extend.gid = "g1";
    extend.owner = "e1";
    extend.entries = R"({"id":"01"})";
    extend.entry_count = 1;
    create.gid = "g2";
    breaks_the_batch               breaks(file());
    std::vector<weft::write> const batch{extend, weft::local_write{&breaks}, create};
    try
    {
        store->apply(batch, false);
        FAIL() << "another process has the database";
    }
    catch (weft::store_error const& e)
    {
        EXPECT_TRUE(e.in_doubt()) << e.what();
    }
    EXPECT_EQ(store->find("g1", false)->position, 1) << "this much was written";
    breaks.other << "ROLLBACK";
    auto const again = store->apply(batch, true);
    EXPECT_EQ(again[0].what, weft::written::done);
    EXPECT_EQ(again[1].what, weft::written::refused);
    EXPECT_EQ(again[2].what, weft::written::done);
}

TEST_F(SqliteFaults, AJournalEditedByHandPausesItsTransactionAndNoOther)
{
    auto const                     store = weft::open_store(url());
    std::vector<std::string> const edits{
        "not JSON at all",
        R"({"journal":7})",
        R"({"journal":[{"id":"01"}]})",
        R"([])",
        "",
        R"({"parts":1,"entries":4,"journal":[]})",
        R"({"journal":[{"id":"01","verb":"step","op":"action","name":"one","at":1,"status":"succeed","data":1}]})"};
    for (std::size_t i = 0; i <= edits.size(); ++i)
    {
        weft::create_write w;
        w.gid = "g" + std::to_string(i);
        w.workflow = "three-steps";
        weft::write const write(w);
        store->apply(std::span(&write, 1), false);
    }
    {
        soci::session sql(soci::sqlite3, "dbname=" + file());
        for (std::size_t i = 0; i < edits.size(); ++i)
        {
            auto const gid = "g" + std::to_string(i);
            sql << "UPDATE trans_global SET ext_data = :e WHERE gid = :g", soci::use(edits[i]), soci::use(gid);
        }
    }
    weft::host host(*store);
    host.engine().add("three-steps", &three_steps);
    host.start();
    auto const last = "g" + std::to_string(edits.size());
    ASSERT_TRUE(soon([&] { return store->find(last, false)->status == weft::status::succeed; }));
    for (std::size_t i = 0; i < edits.size(); ++i)
    {
        auto const gid = "g" + std::to_string(i);
        ASSERT_TRUE(soon([&] { return !store->find(gid, false)->paused_reason.empty(); })) << edits[i];
        EXPECT_THAT(store->find(gid, false)->paused_reason, HasSubstr("the journal cannot be read")) << edits[i];
        EXPECT_EQ(store->find(gid, true)->journal, edits[i]) << "what is there is left for a person to look at";
    }
}

TEST_F(SqliteFaults, AMissingPartOfAJournalPausesItsTransaction)
{
    {
        auto const store = weft::open_store(url());
        weft::host host(*store, {.seal_at = 100});
        auto const flow = host.engine().add("three-steps", &three_steps);
        host.start();
        EXPECT_EQ(flow.execute("g1"_gid, weft::blocking), 3);
    }
    {
        soci::session sql(soci::sqlite3, "dbname=" + file());
        int           parts = 0;
        sql << "SELECT count(*) FROM trans_branch_op WHERE op = 'journal'", soci::into(parts);
        ASSERT_GT(parts, 0);
        sql << "DELETE FROM trans_branch_op WHERE id = (SELECT min(id) FROM trans_branch_op)";
        sql << "UPDATE trans_global SET status = 'prepared', owner = '', next_cron_time = 0, position = position - 2";
    }
    auto const store = weft::open_store(url());
    weft::host host(*store);
    host.engine().add("three-steps", &three_steps);
    host.start();
    ASSERT_TRUE(soon([&] { return !store->find("g1", false)->paused_reason.empty(); }));
    EXPECT_THAT(store->find("g1", false)->paused_reason, HasSubstr("parts"));
}

// Somebody reads for long: a backup, a transaction that was forgotten. The log cannot be emptied, and that is said; then it is cut.
TEST_F(SqliteFaults, ALogThatGrowsUnderAReaderIsSpokenOfAndCutAfterwards)
{
    std::vector<std::string> warnings;
    weft::store_options      options;
    options.on_warning = [&](std::string const& what) { warnings.push_back(what); };
    options.warn_above_log_bytes = 8 << 20;
    auto const                     store = weft::open_store(url(), std::move(options));
    std::vector<std::string> const names{"w"};
    store->register_engine("engine-a", names);
    int        created = 0;
    auto const write_megabytes = [&](int n) {
        for (int i = 0; i < n; ++i)
        {
            weft::create_write c;
            c.gid = "g" + std::to_string(++created);
            c.workflow = "w";
            c.input = '"' + std::string(1 << 20, 'x') + '"';
            c.owner = "engine-a";
            weft::write const w(c);
            ASSERT_EQ(store->apply(std::span(&w, 1), false).front().what, weft::written::done);
        }
    };
    write_megabytes(20);
    EXPECT_TRUE(warnings.empty()) << warnings.front();
    {
        soci::session reader(soci::sqlite3, "dbname=" + file());
        int           n = 0;
        reader << "BEGIN";
        reader << "SELECT count(*) FROM trans_global", soci::into(n);
        write_megabytes(72);
        ASSERT_FALSE(warnings.empty());
        EXPECT_THAT(warnings.front(), AllOf(HasSubstr(file()), HasSubstr("MiB"), HasSubstr("reading")));
        EXPECT_LE(warnings.size(), 4u) << "when it has doubled, not each time";
        EXPECT_GT(std::filesystem::file_size(file() + "-wal"), 70u << 20);
        reader << "ROLLBACK";
    }
    write_megabytes(2);
    write_megabytes(2);
    EXPECT_LE(std::filesystem::file_size(file() + "-wal"), 64u << 20);
}

}  // namespace sqlite_faults_test
