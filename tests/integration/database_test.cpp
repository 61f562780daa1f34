// A participant's database: opening it, and work that is done there on request.
#include "tests/integration/plain_sqlite.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/sql.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <thread>
#include <unistd.h>

namespace database_test {

using testing::AllOf;
using testing::HasSubstr;

class Database : public testing::Test
{
protected:
    // The error with which a database does not open.
    static std::string refusal(std::string const& url, weft::database_options options = {})
    {
        try
        {
            weft::database db(url, std::move(options));
        }
        catch (std::exception const& e)
        {
            return e.what();
        }
        return "it opened";
    }

    static int count(soci::session& sql)
    {
        int n = 0;
        sql << "select count(*) from t", soci::into(n);
        return n;
    }

    temporary_directory directory;
    std::string const   file = directory.file("shop.db");
    std::string const   url = directory.url("shop.db");
};

TEST_F(Database, MakesTheFileWithABarrierInWalMode)
{
    weft::database db(url);
    plain_sqlite   look(file);
    EXPECT_EQ(look("pragma journal_mode"), "wal");
    EXPECT_EQ(look("select count(*) from barrier"), "0");
    EXPECT_EQ(db.run([](soci::session& sql) {
        int full = 0;
        sql << "pragma synchronous", soci::into(full);
        return full;
    }),
              2);
}

TEST_F(Database, OpensWhatIsThereAlready)
{
    {
        weft::database db(url);
        db.run([](soci::session& sql) { sql << "create table t (x int)"; });
        db.run([](soci::session& sql) { sql << "insert into t values (1)"; });
    }
    weft::database again(url);
    EXPECT_EQ(again.read(count), 1);
}

TEST_F(Database, OpensWhileAnotherProgramWrites)
{
    weft::database first(url);
    plain_sqlite   other(file);
    other("begin immediate");
    EXPECT_EQ(refusal(url + "?busy_timeout=0ms"), "it opened");
}

TEST_F(Database, OpensOneNewFileFromSeveralThreadsAtOnce)
{
    for (int i = 0; i < 10; ++i)
    {
        auto const               same = directory.url("new" + std::to_string(i) + ".db");
        std::latch               go(4);
        std::vector<std::thread> openers;
        for (int t = 0; t < 4; ++t)
            openers.emplace_back([&] {
                go.arrive_and_wait();
                EXPECT_EQ(refusal(same), "it opened");
            });
        for (auto& o : openers)
            o.join();
    }
}

TEST_F(Database, OpensPathsWithOddCharacters)
{
    for (auto const* const name : {"with space.db", "a=b.db", "a = b  c.db", "it's.db", "q\"q.db", "ü.db", "100%25.db", "what%3F.db"})
        EXPECT_EQ(refusal(directory.url(name)), "it opened") << name;
    EXPECT_TRUE(std::filesystem::exists(directory.file("a = b  c.db")));
    EXPECT_TRUE(std::filesystem::exists(directory.file("what?.db")));
    EXPECT_THAT(refusal(directory.url("a=\"b\".db")), HasSubstr("equals sign"));
}

TEST_F(Database, TakesARelativePathFromTheWorkingDirectory)
{
    auto const before = std::filesystem::current_path();
    std::filesystem::current_path(directory.path());
    EXPECT_EQ(refusal("sqlite://relative.db"), "it opened");
    std::filesystem::current_path(before);
    EXPECT_TRUE(std::filesystem::exists(directory.file("relative.db")));
}

TEST_F(Database, OfSqliteHasNoPreparedTransactions)
{
    weft::database db(url);
    EXPECT_THROW(db.attach("00000000000000000000000000000000"), weft::misuse);
    EXPECT_THAT(db.prepared(), ::testing::IsEmpty());
}

TEST_F(Database, DescribesItself) { EXPECT_EQ(weft::database(url).describe(), "sqlite " + file); }

TEST_F(Database, RefusesUrlsItDoesNotKnow)
{
    EXPECT_THAT(refusal("oracle://me:secret@host/db"),
                AllOf(HasSubstr("postgres://"), HasSubstr("mysql://"), testing::Not(HasSubstr("secret"))));
    EXPECT_THAT(refusal("sqlite://:memory:"), HasSubstr("needs a file"));
    EXPECT_THAT(refusal("sqlite://"), HasSubstr("needs a file"));
    EXPECT_THAT(refusal(url + "?mode=ro"), AllOf(HasSubstr("busy_timeout"), HasSubstr("mode")));
    EXPECT_THAT(refusal(url + "?busy_timeout=5"), HasSubstr("250ms"));
    EXPECT_THAT(refusal(url, {.group_limit = 0}), HasSubstr("group_limit"));
    EXPECT_THAT(refusal(url, {.readers = 0}), HasSubstr("readers"));
    EXPECT_THAT(refusal(url, {.barrier = {.table = "no such"}}), HasSubstr("table"));
}

TEST_F(Database, NamesADirectoryThatIsMissing)
{
    EXPECT_THAT(refusal(directory.url("nowhere/shop.db")), AllOf(HasSubstr("nowhere/shop.db"), HasSubstr("does not exist")));
}

TEST_F(Database, RefusesADirectory) { EXPECT_THAT(refusal("sqlite://" + directory.path().string()), HasSubstr("is a directory")); }

TEST_F(Database, RefusesAFileThatIsNoDatabase)
{
    std::ofstream(file) << std::string(5000, 'x');
    EXPECT_THAT(refusal(url), AllOf(HasSubstr(file), HasSubstr("not a database")));
}

TEST_F(Database, RefusesADatabaseWithABrokenSchema)
{
    {
        weft::database made(url);
    }
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(100) << std::string(500, 'x');
    EXPECT_THAT(refusal(url), AllOf(HasSubstr(file), HasSubstr("malformed")));
}

// Takes this process's rights away as far as files are concerned; root may read and write everything.
class as_nobody
{
public:
    as_nobody()
    {
        if (::geteuid() == 0 && ::seteuid(65534) != 0)
            throw std::runtime_error("cannot become nobody");
    }
    ~as_nobody()
    {
        if (::getuid() == 0 && ::seteuid(0) != 0)
            std::abort();
    }
};

TEST_F(Database, RefusesAFileItMayOnlyRead)
{
    namespace fs = std::filesystem;
    {
        weft::database made(url);
    }
    fs::permissions(file, fs::perms(0444));
    fs::permissions(directory.path(), fs::perms(0755));
    {
        as_nobody nobody;
        EXPECT_THAT(refusal(url), AllOf(HasSubstr(file), HasSubstr("read-only")));
    }
    fs::permissions(file, fs::perms(0000));
    {
        as_nobody nobody;
        EXPECT_THAT(refusal(url), AllOf(HasSubstr(file), HasSubstr("may not read and write it")));
    }
}

TEST_F(Database, RefusesADirectoryInWhichItMayNotMakeTheFile)
{
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0555));
    {
        as_nobody nobody;
        EXPECT_THAT(refusal(url), AllOf(HasSubstr(file), HasSubstr("cannot be created"), HasSubstr("may not write its directory")));
    }
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
}

TEST_F(Database, SaysWhenItIsLocked)
{
    plain_sqlite other(file);
    other("create table t (x int); begin exclusive");  // not in WAL mode yet, so nobody can read
    EXPECT_THAT(refusal(url + "?busy_timeout=10ms"), AllOf(HasSubstr(file), HasSubstr("locked"), HasSubstr("10 ms")));
    other("commit");
    EXPECT_EQ(refusal(url), "it opened");
}

TEST_F(Database, LeavesForeignKeysAsAsked)
{
    auto const enforced = [](soci::session& sql) {
        int on = 0;
        sql << "pragma foreign_keys", soci::into(on);
        return on;
    };
    EXPECT_EQ(weft::database(url + "?foreign_keys=on").run(enforced), 1);
    EXPECT_EQ(weft::database(url + "?foreign_keys=off", {.foreign_keys = true}).run(enforced), 0);
    EXPECT_EQ(weft::database(url, {.foreign_keys = true}).run(enforced), 1);
}

TEST_F(Database, RunsWorkInATransactionAndReturnsItsResult)
{
    weft::database db(url);
    db.run([](soci::session& sql) { sql << "create table t (x int)"; });
    auto const seen = db.run([](soci::session& sql) {
        sql << "insert into t values (1)";
        return count(sql);
    });
    EXPECT_EQ(seen, 1);
    EXPECT_EQ(db.read(count), 1);
}

TEST_F(Database, RollsWorkBackThatThrows)
{
    weft::database db(url);
    db.run([](soci::session& sql) { sql << "create table t (x int)"; });
    EXPECT_THROW(db.run([](soci::session& sql) {
        sql << "insert into t values (1)";
        throw weft::failure("no");
    }),
                 weft::failure);
    EXPECT_THROW(db.run([](soci::session& sql) { sql << "insert into nowhere values (1)"; }), soci::soci_error);
    EXPECT_EQ(db.read(count), 0);
}

TEST_F(Database, SaysWhenWorkEndedItsTransaction)
{
    weft::database db(url);
    db.run([](soci::session& sql) { sql << "create table t (x int)"; });
    EXPECT_THROW(db.run([](soci::session& sql) {
        sql << "insert into t values (1)";
        sql << "rollback";
    }),
                 std::runtime_error);
    EXPECT_EQ(db.run(count), 0);
}

TEST_F(Database, WaitsForAnotherWriterNoLongerThanTheBusyTimeout)
{
    weft::database db(url + "?busy_timeout=10ms");
    db.run([](soci::session& sql) { sql << "create table t (x int)"; });
    plain_sqlite other(file);
    other("begin immediate; insert into t values (1)");
    try
    {
        db.run(count);
        ADD_FAILURE() << "it ran";
    }
    catch (std::runtime_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("locked by another connection for longer than 10 ms"));
    }
    EXPECT_EQ(db.read(count), 0);
    other("commit");
    EXPECT_EQ(db.run(count), 1);
}

TEST_F(Database, ReadsWhileItWrites)
{
    weft::database db(url);
    db.run([](soci::session& sql) { sql << "create table t (x int)"; });
    db.run([&](soci::session& sql) {
        sql << "insert into t values (1)";
        auto const seen = std::async(std::launch::async, [&] { return db.read(count); });
        seen.wait();
        EXPECT_EQ(count(sql), 1);
    });
    EXPECT_EQ(db.read(count), 1);
}

TEST_F(Database, LetsReadersChangeNothing)
{
    weft::database db(url);
    db.run([](soci::session& sql) { sql << "create table t (x int)"; });
    EXPECT_THROW(db.read([](soci::session& sql) { sql << "insert into t values (1)"; }), soci::soci_error);
    EXPECT_EQ(db.read(count), 0);
}

TEST_F(Database, RefusesToWaitForItself)
{
    weft::database db(url);
    auto const     nested = [&](soci::session&) { db.run([](soci::session&) {}); };
    EXPECT_THROW(db.run(nested), weft::misuse);
    EXPECT_THROW(db.read(nested), weft::misuse);
}

TEST_F(Database, FindsTheMarkOfAStoreInTheSameFile)
{
    weft::database              db(url);
    weft::participant_database& asked = db;
    EXPECT_FALSE(asked.holds("n1"));  // no table kv
    plain_sqlite store(file);
    store("create table kv (id integer primary key, cat varchar(45), k varchar(128), v text)");
    EXPECT_FALSE(asked.holds("n1"));
    store("insert into kv (cat, k) values ('nonce', 'n1'), ('engine', 'n2')");
    EXPECT_TRUE(asked.holds("n1"));
    EXPECT_FALSE(asked.holds("n2"));
    EXPECT_FALSE(asked.holds("' or 1=1 --"));
}

// Restored from a backup, say, while the program runs: nothing that is reported done goes into a file that nobody finds again.
TEST_F(Database, GoesOnInTheFileThatTookThePlaceOfItsOwn)
{
    weft::database db(url);
    auto const     insert = [&] { db.run([](soci::session& sql) { sql << "insert into t values (1)"; }); };
    auto const     rows = [&] { return db.read([](soci::session& sql) { return count(sql); }); };
    db.run([](soci::session& sql) { sql << "create table t (n int)"; });
    insert();
    EXPECT_EQ(rows(), 1);
    {
        plain_sqlite backup(directory.file("backup.db"));
        backup("create table t (n int); insert into t values (7); insert into t values (8)");
    }
    std::filesystem::rename(directory.file("backup.db"), file);
    for (auto const* left : {"-wal", "-shm"})
        std::filesystem::remove(file + left);
    insert();
    EXPECT_EQ(rows(), 3);
    EXPECT_EQ(plain_sqlite(file)("select count(*) from t"), "3");
    EXPECT_EQ(plain_sqlite(file)("select count(*) from barrier"), "0") << "and it has made its table there";
}

TEST_F(Database, SaysThatItsLogGrowsUnderAReader)
{
    std::vector<std::string> warnings;
    weft::database_options   options;
    options.on_warning = [&](std::string const& what) { warnings.push_back(what); };
    options.warn_above_log_bytes = 8 << 20;
    weft::database db(url, options);
    db.run([](soci::session& sql) { sql << "create table ledger (what text)"; });
    std::string const megabyte(1 << 20, 'x');
    auto const        write_megabytes = [&](int n) {
        for (int i = 0; i < n; ++i)
            db.run([&](soci::session& sql) { sql << "insert into ledger values (:w)", soci::use(megabyte); });
    };
    write_megabytes(12);
    EXPECT_TRUE(warnings.empty()) << warnings.front();
    plain_sqlite reader(file);
    reader("begin");
    reader("select count(*) from ledger");
    write_megabytes(20);
    ASSERT_FALSE(warnings.empty());
    EXPECT_THAT(warnings.front(), testing::AllOf(HasSubstr(file), HasSubstr("MiB"), HasSubstr("reading")));
    EXPECT_LE(warnings.size(), 3u) << "when it has doubled, not each time";
    reader("rollback");
}

TEST_F(Database, SaysThatItsFileIsGone)
{
    weft::database db(url);
    db.run([](soci::session& sql) { sql << "create table t (n int)"; });
    auto const insert = [&] { db.run([](soci::session& sql) { sql << "insert into t values (1)"; }); };
    auto const what = [](auto f) {
        try
        {
            f();
            return std::string("done");
        }
        catch (std::exception const& e)
        {
            return std::string(e.what());
        }
    };
    for (auto const* part : {"", "-wal", "-shm"})
        std::filesystem::remove(file + part);
    EXPECT_THAT(what(insert), AllOf(HasSubstr("removed"), HasSubstr(file)));
    EXPECT_THAT(what([&] { db.read([](soci::session& sql) { return count(sql); }); }), HasSubstr("removed"));
    EXPECT_FALSE(std::filesystem::exists(file)) << "an empty one would look like a database";
    plain_sqlite other(file);
    other("create table t (n int)");
    EXPECT_EQ(what(insert), "done");
    // While it works: what was committed went to the file that is no more.
    auto const said = what([&] {
        db.run([&](soci::session& sql) {
            sql << "insert into t values (2)";
            std::filesystem::rename(file, file + ".old");
        });
    });
    EXPECT_THAT(said, AllOf(HasSubstr("removed or replaced"), HasSubstr("neither")));
}

// Every workflow with an operation there waits for the answer, and an audit may read for minutes.
TEST_F(Database, IsAskedWhetherItIsTheStoresOwnWhoeverReadsThere)
{
    weft::database db(url, {.readers = 1});
    EXPECT_FALSE(db.holds("a nonce"));
    std::promise<void> begun, enough;
    std::thread        audit([&] {
        db.read([&](soci::session&) {
            begun.set_value();
            enough.get_future().wait();
            return 0;
        });
    });
    begun.get_future().wait();
    auto const from = std::chrono::steady_clock::now();
    EXPECT_THROW(db.holds("a nonce"), std::runtime_error);
    EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(10));
    enough.set_value();
    audit.join();
    EXPECT_FALSE(db.holds("a nonce")) << "and what was given up is not asked any more";
}

}  // namespace database_test
