// What waits for the writer, and what it takes at a time.
#include "src/sql/job_queue.hpp"

#include <gtest/gtest.h>

namespace job_queue_test {

using weft::detail::job_queue;

class idle_job final : public weft::detail::sql_job
{
public:
    explicit idle_job(bool alone) : alone_(alone) { }
    bool alone() const noexcept override { return alone_; }
    bool run(weft::soci_connection&) noexcept override { return true; }
    void done() noexcept override { }
    void lost(std::string const&) noexcept override { }

private:
    bool alone_;
};

// 'a' stands for a job that is to be alone, 'o' for any other; the groups that come out are parted by blanks.
std::string groups_of(std::string const& jobs, std::size_t limit)
{
    job_queue queue;
    for (char const c : jobs)
        EXPECT_EQ(queue.add(std::make_unique<idle_job>(c == 'a')), nullptr);
    queue.close();
    std::string out;
    for (auto group = queue.take(limit); !group.empty(); group = queue.take(limit))
    {
        if (!out.empty())
            out += ' ';
        for (auto const& j : group)
            out += j->alone() ? 'a' : 'o';
    }
    EXPECT_TRUE(queue.empty());
    return out;
}

TEST(JobQueue, GivesEverythingThatWaitsAsOneGroup) { EXPECT_EQ(groups_of("ooooo", 256), "ooooo"); }

TEST(JobQueue, KeepsGroupsWithinTheLimit) { EXPECT_EQ(groups_of("ooooo", 2), "oo oo o"); }

TEST(JobQueue, LeavesJobsAloneThatAskForIt) { EXPECT_EQ(groups_of("aooaaoa", 256), "a oo a a o a"); }

TEST(JobQueue, TakesNothingInAfterItIsClosed)
{
    job_queue queue;
    queue.close();
    EXPECT_NE(queue.add(std::make_unique<idle_job>(false)), nullptr);
    EXPECT_TRUE(queue.take(1).empty());
}

}  // namespace job_queue_test
