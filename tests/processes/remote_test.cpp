// Workflows whose journal is at a weftd: either process is killed, and everything ends.
#ifdef WEFTD

#include "tests/processes/process.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/open_store.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <thread>

namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using processes::process;

constexpr int slower = WEFT_TEST_TIMEOUT_FACTOR;
constexpr int steps = 11;  // of the worker's workflow

unsigned short free_port()
{
    boost::asio::io_context io;
    tcp::acceptor           a(io, {boost::asio::ip::address_v4::loopback(), 0});
    return a.local_endpoint().port();
}

bool answers(unsigned short port)
{
    boost::asio::io_context   io;
    tcp::socket               s(io);
    boost::system::error_code failed;
    s.connect({boost::asio::ip::address_v4::loopback(), port}, failed);
    return !failed;
}

class RemoteProcesses : public ::testing::Test
{
protected:
    RemoteProcesses()
    {
        std::ofstream conf(directory.file("conf.yml"));
        conf << "HttpPort: " << port << "\nLogLevel: error\nStore:\n  Driver: sqlite\n  Path: " << directory.file("weftd.db") << "\n";
    }

    void start_weftd()
    {
        std::vector<std::string> command{WEFTD, "-c", directory.file("conf.yml")};
        weftd.emplace(std::move(command));
        eventually([&] { return answers(port); }, 20s * slower);
    }
    void kill_weftd()
    {
        weftd->send(SIGKILL);
        EXPECT_EQ(weftd->wait(), -SIGKILL);
        weftd.reset();
    }

    std::vector<std::string> worker(std::string const& command, int number = 0) const
    {
        auto const where =
            "http://127.0.0.1:" + std::to_string(port) + "/api/dtmsvr,http://127.0.0.1:" + std::to_string(callback) + "/weft";
        return {WEFT_WORKER, where, directory.file("effects"), command, std::to_string(number)};
    }

    static void eventually(std::function<bool()> const& what, std::chrono::milliseconds limit)
    {
        auto const end = std::chrono::steady_clock::now() + limit;
        while (!what())
        {
            if (std::chrono::steady_clock::now() > end)
                throw std::runtime_error("it did not happen within " + std::to_string(limit.count()) + " ms");
            std::this_thread::sleep_for(10ms);
        }
    }

    // What really happened: "gid operation" → how often.
    std::map<std::string, int> effects() const
    {
        std::map<std::string, int> count;
        std::ifstream              file(directory.file("effects"));
        for (std::string line; std::getline(file, line);)
            ++count[line];
        return count;
    }

    void all_end_well(int count)
    {
        auto const        store = weft::open_store(directory.url("weftd.db"));
        weft::list_filter f;
        f.unfinished = true;
        f.limit = 1;
        try
        {
            eventually([&] { return store->list(f).empty(); }, 30s * slower);
        }
        catch (std::exception const&)
        {
            for (auto const& row : store->list(f))
                ADD_FAILURE() << row.gid << " is " << to_string(row.status) << " at " << row.position << ", attempts " << row.attempts
                              << ", paused: " << row.paused_reason << ", last error: " << row.last_error;
            throw;
        }
        f.unfinished = false;
        f.limit = 10'000;
        auto const rows = store->list(f);
        EXPECT_EQ(rows.size(), static_cast<std::size_t>(count));
        for (auto const& row : rows)
        {
            EXPECT_EQ(row.status, weft::status::succeed) << row.gid << ": " << row.reason;
            EXPECT_EQ(row.result, "NTU=") << row.gid;  // 55, as dtm's clients read it
        }
    }

    temporary_directory    directory;
    unsigned short         port = free_port(), callback = free_port();
    std::optional<process> weftd;
};

TEST_F(RemoteProcesses, FinishWhatWasInFlightWhenTheProcessThatRunsItWasKilled)
{
    constexpr int count = 200;
    start_weftd();
    {
        process first(worker("load", count));
        first.wait_for("all in flight", 20s * slower);
        first.send(SIGKILL);
        EXPECT_EQ(first.wait(), -SIGKILL);
    }
    auto const begin = std::chrono::steady_clock::now();
    process    second(worker("run"));
    all_end_well(count);
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    std::printf("%d transactions in flight at the kill were finished %lld ms after the restart\n", count,
                static_cast<long long>(took.count()));
    auto const                 happened = effects();
    std::map<std::string, int> repeated;
    EXPECT_EQ(happened.size(), static_cast<std::size_t>(count * steps));
    for (auto const& [what, times] : happened)
    {
        EXPECT_LE(times, 2) << what;
        repeated[what.substr(0, what.find(' '))] += times - 1;
    }
    for (auto const& [gid, times] : repeated)
    {
        EXPECT_LE(times, 1) << gid << ": only the step whose answer the kill had lost may be sent again";
    }
    second.send(SIGTERM);
    EXPECT_EQ(second.wait(), 0);
}

TEST_F(RemoteProcesses, LoseNothingWhenTheCoordinatorIsKilledAgainAndAgain)
{
    constexpr int count = 200;
    start_weftd();
    process      runs(worker("load", count));
    std::mt19937 random(20'251'125);
    for (int kills = 0; kills < 5; ++kills)
    {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(100, 500)(random)));
        kill_weftd();
        std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(0, 300)(random)));
        start_weftd();
    }
    all_end_well(count);
    auto const happened = effects();
    EXPECT_EQ(happened.size(), static_cast<std::size_t>(count * steps));
    for (auto const& [what, times] : happened)
    {
        EXPECT_EQ(times, 1) << what << ": its process was there all the time";
    }
    runs.send(SIGTERM);
    EXPECT_EQ(runs.wait(), 0);
}

}  // namespace

#endif
