// Real processes on one store: an SQLite file, or a database on a server.
#include "tests/processes/process.hpp"
#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <poll.h>

namespace {

using namespace std::chrono_literals;
using processes::process;
using ::testing::HasSubstr;

// Limits are for a machine that does other things besides; a sanitizer slows all of it.
constexpr int slower = WEFT_TEST_TIMEOUT_FACTOR;

class Processes : public ::testing::TestWithParam<std::string>
{
protected:
    Processes()
    {
        if (!sqlite())
            database_.emplace(GetParam());
        url_ = database_ ? database_->url() : directory_.url("weft.db");
        store = weft::open_store(url_);
    }

    static bool              sqlite() { return GetParam() == "sqlite"; }
    std::string              effects_file() const { return directory_.file("effects"); }
    std::vector<std::string> worker(std::string const& command, int number = 0, std::string const& patience = "patient") const
    {
        return {WEFT_WORKER, url_, effects_file(), command, std::to_string(number), patience};
    }

    // What really happened: "gid operation" → how often.
    std::map<std::string, int> effects() const
    {
        std::map<std::string, int> count;
        std::ifstream              file(effects_file());
        for (std::string line; std::getline(file, line);)
            ++count[line];
        return count;
    }

    std::vector<weft::transaction> unfinished(std::size_t limit = 100'000)
    {
        weft::list_filter f;
        f.unfinished = true;
        f.limit = limit;
        return store->list(f);
    }
    bool all_finished() { return unfinished(1).empty(); }

    // Not while it holds the lock that SQLite has for writers: nobody could go on before it does.
    void make_stand_still(process const& p)
    {
        auto const other = sqlite() ? weft::open_store(url_ + "?busy_timeout=100ms") : nullptr;
        for (int i = 0; i < 20; ++i)
        {
            p.send(SIGSTOP);
            if (!other)
                return;
            try
            {
                other->remove_kv("test", "nothing");
                return;
            }
            catch (weft::store_error const&)
            {
                p.send(SIGCONT);
                ::poll(nullptr, 0, 200);  // until it has beaten again: else it would hold everything back
            }
        }
        throw std::runtime_error("it writes whenever it is stopped");
    }

    // Looks every few milliseconds, for no longer than `limit`; how long it took.
    std::chrono::milliseconds until(std::function<bool()> const& done, std::chrono::milliseconds limit)
    {
        auto const begin = std::chrono::steady_clock::now();
        for (;;)
        {
            auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
            if (done())
                return took;
            if (took > limit)
                throw std::runtime_error("it did not happen within " + std::to_string(limit.count()) + " ms");
            ::poll(nullptr, 0, 5);
        }
    }

    temporary_directory            directory_;
    std::optional<server_database> database_;
    std::string                    url_;
    std::unique_ptr<weft::store>   store;
};

INSTANTIATE_TEST_SUITE_P(, Processes, ::testing::Values("sqlite", "postgres", "mysql"), [](auto const& i) { return i.param; });

TEST_P(Processes, FinishAThousandTransactionsThatWereInFlightAtAKill)
{
    constexpr int count = 1000;
    {
        process first(worker("load", count));
        first.wait_for("all in flight");
        first.send(SIGKILL);
        EXPECT_EQ(first.wait(), -SIGKILL);
    }
    auto const left = unfinished();
    ASSERT_EQ(left.size(), static_cast<std::size_t>(count));
    std::map<std::string, std::int64_t> recorded;  // steps in the journal at the kill
    for (auto const& t : left)
        recorded[t.gid] = t.position;

    auto const begin = std::chrono::steady_clock::now();
    process    second(worker("run"));
    until([&] { return all_finished(); }, 20s * slower);
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    std::printf("%s: %d transactions in flight at the kill were finished %lld ms after the restart\n", GetParam().c_str(), count,
                static_cast<long long>(took.count()));
    RecordProperty("recovery_ms", static_cast<int>(took.count()));

    std::size_t repeated = 0;
    for (auto const& [what, times] : effects())
    {
        auto const gid = what.substr(0, what.find(' '));
        auto const step = std::stoi(what.substr(what.find(' ') + 1));
        if (step <= recorded.at(gid))
        {
            EXPECT_EQ(times, 1) << what << " was recorded before the kill";
        }
        else
        {
            EXPECT_LE(times, step == recorded.at(gid) + 1 ? 2 : 1) << what;
            repeated += times > 1;
        }
    }
    EXPECT_EQ(effects().size(), static_cast<std::size_t>(count) * 11);
    for (int i = 0; i < count; ++i)
    {
        auto const t = store->find("load-" + std::to_string(i), false);
        ASSERT_TRUE(t);
        EXPECT_EQ(t->status, weft::status::succeed);
        EXPECT_EQ(t->result, "55");
    }
    std::printf("%zu operations whose answer the kill had lost were sent again\n", repeated);
}

// Recovery, with the engine's default options: an expiry of 4 s is part of it on servers; a file's lock is free at once.
TEST_P(Processes, FinishTenThousandTransactionsOfADeadProcessWithinEightSeconds)
{
    constexpr int count = 10'000;
    process       first(worker("hold", count));
    first.wait_for("all in flight", 60s * slower);
    auto const held = unfinished();
    ASSERT_EQ(held.size(), static_cast<std::size_t>(count));
    for (auto const& t : held)
        ASSERT_TRUE(!t.owner.empty() && t.owner == held.front().owner) << t.gid << " is not held by the process that will be killed";
    process second(worker("run"));
    second.wait_for("ready");

    first.send(SIGKILL);
    auto const took = until([&] { return all_finished(); }, 60s * slower);
    std::printf("%s: %d transactions that a process held were finished by another %lld ms after its kill\n", GetParam().c_str(), count,
                static_cast<long long>(took.count()));
    RecordProperty("recovery_ms", static_cast<int>(took.count()));
    EXPECT_LT(took, 8s * slower);
    if (!sqlite())
    {
        EXPECT_GT(took, 2500ms) << "it was taken for dead while its heartbeat was fresh";
    }

    weft::list_filter succeeded;
    succeeded.status = weft::status::succeed;
    succeeded.limit = 2 * count;
    EXPECT_EQ(store->list(succeeded).size(), static_cast<std::size_t>(count));
    EXPECT_EQ(effects().size(), static_cast<std::size_t>(count));
    for (auto const& [what, times] : effects())
        ASSERT_EQ(times, 1) << what;
}

TEST_P(Processes, StartWithinASecondWhatAnotherProcessSubmitted)
{
    process runs(worker("run"));
    runs.wait_for("ready");
    process submits(worker("submit"));
    submits.wait_for("submitted");
    auto const took = until([&] { return store->find("submitted-elsewhere", false)->status == weft::status::succeed; }, 5s);
    EXPECT_LT(took, 1s);
    EXPECT_EQ(runs.wait_for("finished"), "finished submitted-elsewhere succeed");
}

TEST_P(Processes, NoticeADeadProcessAtOnceThoughItsChildLivesOn)
{
    process first(worker("parent", 5));
    // Whoever runs the tests waits for all that hold their output: it must not outlive this.
    struct child
    {
        explicit child(std::string const& said) : pid(std::stoi(said.substr(said.find(' ')))) { }
        child(child const&) = delete;
        ~child() { ::kill(pid, SIGKILL); }
        pid_t pid;
    } const its_child(first.wait_for("child "));
    first.wait_for("all in flight");
    process second(worker("run"));
    second.wait_for("ready");
    first.send(SIGKILL);
    first.wait();
    auto const took = until([&] { return all_finished(); }, 20s * slower);
    EXPECT_EQ(::kill(its_child.pid, 0), 0) << "the child has not lived on";
    if (sqlite())
        // By its lock: a second between two looks, and less than that for the work itself; the heartbeat alone would take four.
        EXPECT_LT(took, 3500ms);
    else
    {
        // By its heartbeat: four seconds since the last one, a second between two looks, and the work.
        EXPECT_LT(took, 7s * slower);
        EXPECT_GT(took, 2500ms) << "it was taken for dead while its heartbeat was fresh";
    }
}

TEST_P(Processes, DrainAtSigtermAndExitWithZero)
{
    process first(worker("load", 50));
    first.wait_for("all in flight");
    first.send(SIGTERM);
    first.wait_for("stopped");
    EXPECT_EQ(first.wait(), 0);
    for (auto const& t : unfinished())
    {
        EXPECT_EQ(t.owner, "") << "the lease was given back";
        EXPECT_GE(t.position, 1) << "what was in flight was recorded";
    }
    for (auto const& [what, times] : effects())
        EXPECT_EQ(times, 1) << what;
    process second(worker("run"));
    until([&] { return all_finished(); }, 20s);
    for (auto const& [what, times] : effects())
        EXPECT_EQ(times, 1) << what << ": a drained process leaves nothing to send again";
}

TEST_P(Processes, PauseAWorkflowThatKillsItsProcessEachTime)
{
    int died = 0;
    {
        process first(worker("deadly", 0, "impatient"));
        EXPECT_EQ(first.wait(), 77);
        ++died;
    }
    while (store->find("deadly", false)->paused_reason.empty())
    {
        ASSERT_LT(died, 20);
        process next(worker("run", 0, "impatient"));
        if (store->find("deadly", false)->attempts >= 10)
        {
            EXPECT_THAT(next.wait_for("paused"), HasSubstr("attempted 10 times without getting any further"));
            break;
        }
        EXPECT_EQ(next.wait(), 77);
        ++died;
    }
    EXPECT_EQ(died, 10);
}

TEST_P(Processes, FenceAProcessThatWasStoppedForLongerThanItsHeartbeat)
{
    process first(worker("load", 20, "late first"));
    first.wait_for("all in flight");
    make_stand_still(first);
    process second(worker("run", 0, "impatient"));
    until([&] { return all_finished(); }, 20s * slower);
    std::map<std::string, weft::transaction> finished;
    for (int i = 0; i < 20; ++i)
    {
        auto t = store->find("load-" + std::to_string(i), true).value();
        EXPECT_EQ(t.status, weft::status::succeed);
        finished.emplace(t.gid, std::move(t));
    }
    first.send(SIGCONT);
    // Its operations answer now, too late, and it wants to record that.
    EXPECT_THAT(first.wait_for("warning engine"), HasSubstr("was taken for dead: it abandons"));
    first.send(SIGTERM);
    EXPECT_EQ(first.wait(), 0);
    EXPECT_THAT(first.output(), HasSubstr("\nlate load-")) << "nothing shows that it tried to write";
    for (auto const& [gid, before] : finished)
    {
        auto const after = store->find(gid, true).value();
        EXPECT_EQ(after.journal, before.journal) << "a late write changed it";
        EXPECT_EQ(after.position, before.position) << gid;
        EXPECT_EQ(after.status, before.status) << gid;
        EXPECT_EQ(after.result, before.result) << gid;
        EXPECT_EQ(after.owner, before.owner) << gid;
        EXPECT_EQ(after.updated, before.updated) << gid;
    }
    for (auto const& [what, times] : effects())
        EXPECT_LE(times, 2) << what << ": sent again after the take-over, and once by the process that stood still";
}

// I5 alone: where the late writes would fit, at the very position that the successor is at.
TEST_P(Processes, RefuseALateWriteAlsoWhileTheSuccessorIsNoFurther)
{
    process first(worker("load", 20, "late first"));
    first.wait_for("all in flight");
    auto const dead = unfinished(1).front().owner;
    make_stand_still(first);
    process second(worker("hold", 0, "impatient"));
    until(
        [&] {
            auto const rows = unfinished();
            return std::all_of(rows.begin(), rows.end(), [&](auto const& t) { return !t.owner.empty() && t.owner != dead; });
        },
        20s * slower);
    std::map<std::string, weft::transaction> before;
    for (auto const& t : unfinished())
        before.emplace(t.gid, store->find(t.gid, true).value());
    ASSERT_EQ(before.size(), 20u);

    first.send(SIGCONT);
    first.wait_for("warning engine");
    first.send(SIGTERM);
    EXPECT_EQ(first.wait(), 0);
    EXPECT_THAT(first.output(), HasSubstr("\nlate load-")) << "nothing shows that it tried to write";
    for (auto const& [gid, was] : before)
    {
        auto const is = store->find(gid, true).value();
        EXPECT_EQ(is.owner, was.owner) << gid;
        EXPECT_EQ(is.position, was.position) << gid;
        EXPECT_EQ(is.journal, was.journal) << gid;
    }
}

}  // namespace
