// Real processes on one SQLite file.
#include "tests/processes/process.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/open_store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <poll.h>

namespace {

using namespace std::chrono_literals;
using processes::process;
using ::testing::HasSubstr;

class Processes : public ::testing::Test
{
protected:
    Processes() { store = weft::open_store(directory_.url("weft.db")); }

    std::string              database() const { return directory_.file("weft.db"); }
    std::string              effects_file() const { return directory_.file("effects"); }
    std::vector<std::string> worker(std::string const& command, int number = 0) const
    {
        return {WEFT_WORKER, database(), effects_file(), command, std::to_string(number)};
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

    std::vector<weft::transaction> unfinished()
    {
        weft::list_filter f;
        f.unfinished = true;
        f.limit = 100'000;
        return store->list(f);
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

    temporary_directory          directory_;
    std::unique_ptr<weft::store> store;
};

TEST_F(Processes, FinishAThousandTransactionsThatWereInFlightAtAKill)
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
    until([&] { return unfinished().empty(); }, 20s);
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    std::printf("%d transactions in flight at the kill were finished %lld ms after the restart\n", count,
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

TEST_F(Processes, StartWithinASecondWhatAnotherProcessSubmitted)
{
    process runs(worker("run"));
    runs.wait_for("ready");
    process submits(worker("submit"));
    submits.wait_for("submitted");
    auto const took = until([&] { return store->find("submitted-elsewhere", false)->status == weft::status::succeed; }, 5s);
    EXPECT_LT(took, 1s);
    EXPECT_EQ(runs.wait_for("finished"), "finished submitted-elsewhere succeed");
}

TEST_F(Processes, NoticeADeadProcessAtOnceThoughItsChildLivesOn)
{
    process first(worker("parent", 5));
    first.wait_for("all in flight");
    process second(worker("run"));
    second.wait_for("ready");
    first.send(SIGKILL);
    first.wait();
    // A second between two looks, and less than that for the work itself; the heartbeat alone would take four.
    EXPECT_LT(until([&] { return unfinished().empty(); }, 20s), 3500ms);
}

TEST_F(Processes, DrainAtSigtermAndExitWithZero)
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
    until([&] { return unfinished().empty(); }, 20s);
    for (auto const& [what, times] : effects())
        EXPECT_EQ(times, 1) << what << ": a drained process leaves nothing to send again";
}

TEST_F(Processes, PauseAWorkflowThatKillsItsProcessEachTime)
{
    int died = 0;
    {
        process first(worker("deadly"));
        EXPECT_EQ(first.wait(), 77);
        ++died;
    }
    while (store->find("deadly", false)->paused_reason.empty())
    {
        ASSERT_LT(died, 20);
        process next(worker("run"));
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

TEST_F(Processes, FenceAProcessThatWasStoppedForLongerThanItsHeartbeat)
{
    process first(worker("impatient", 20));
    first.wait_for("all in flight");
    first.send(SIGSTOP);
    process second(worker("impatient"));
    until([&] { return unfinished().empty(); }, 20s);
    std::map<std::string, std::string> journals;
    for (int i = 0; i < 20; ++i)
    {
        auto const t = store->find("load-" + std::to_string(i), true).value();
        EXPECT_EQ(t.status, weft::status::succeed);
        journals[t.gid] = t.journal;
    }
    first.send(SIGCONT);
    first.send(SIGTERM);
    EXPECT_EQ(first.wait(), 0);
    for (auto const& [gid, journal] : journals)
        EXPECT_EQ(store->find(gid, true)->journal, journal) << "a late write changed it";
    for (auto const& [what, times] : effects())
        EXPECT_LE(times, 2) << what << ": sent again after the take-over, and once by the process that stood still";
}

}  // namespace
