// In place of libFuzzer where there is none: each file of the corpus, its beginnings, and copies with a few bytes changed, always the same ones.
//
//     driver DIRECTORY [SECONDS]
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

void run(std::string const& text) { LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(text.data()), text.size()); }

}  // namespace

int main(int argc, char** argv)
{
    if (argc < 2)
        return 2;
    std::vector<std::string> corpus;
    for (auto const& entry : std::filesystem::directory_iterator(argv[1]))
    {
        std::ifstream in(entry.path(), std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    if (corpus.empty())
    {
        std::cerr << argv[1] << " is empty\n";
        return 2;
    }
    std::size_t runs = 0;
    for (auto const& text : corpus)
        for (std::size_t length = 0; length <= text.size(); ++length, ++runs)
            run(text.substr(0, length));
    auto const   until = std::chrono::steady_clock::now() + std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 5);
    std::mt19937 random(1);
    auto const   below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    for (; std::chrono::steady_clock::now() < until; ++runs)
    {
        auto        text = corpus[below(corpus.size())];
        auto const& other = corpus[below(corpus.size())];
        for (auto changes = below(4) + 1; changes > 0 && !text.empty(); --changes)
            switch (below(4))
            {
            case 0:
                text[below(text.size())] = static_cast<char>(below(256));
                break;
            case 1:
                text.erase(below(text.size()), below(8));
                break;
            case 2:
                text.insert(below(text.size()), 1, "\n:-[]{}\"'#&*!|>%@`, \t0"[below(22)]);
                break;
            default:
                text.insert(below(text.size()), other.substr(below(other.size() + 1), below(40)));
            }
        run(text);
    }
    std::cout << runs << " runs, all well\n";
}
