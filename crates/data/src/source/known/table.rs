//! The known data sets. `docs/DATA.md` says where the checksums come from.

use super::{
    CifarForm, Form, KnownDataset, KnownFile, SumOf,
    classes::{CIFAR_10, CIFAR_100, EMNIST, FASHION, KUZUSHIJI},
};

/// MNIST. Its mirrors are the one that Burn uses, then PyTorch's.
pub(in super::super) const MNIST: KnownDataset = KnownDataset {
    title: "MNIST",
    mirrors: &[
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
    ],
    megabytes: 11,
    classes: 10,
    class_names: &[],
    form: Form::Idx([
        content(
            "train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        content(
            "train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        content(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        content(
            "t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ]),
};

/// Fashion-MNIST. Its mirrors are the bucket and the repository of its authors.
pub(in super::super) const FASHION_MNIST: KnownDataset = KnownDataset {
    title: "Fashion-MNIST",
    mirrors: &[
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ],
    megabytes: 31,
    classes: 10,
    class_names: &FASHION,
    form: Form::Idx([
        content(
            "train-images-idx3-ubyte",
            47_040_016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        content(
            "train-labels-idx1-ubyte",
            60_008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        content(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        content(
            "t10k-labels-idx1-ubyte",
            10_008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ]),
};

/// KMNIST. Its mirror is the server of its authors.
pub(in super::super) const KMNIST: KnownDataset = KnownDataset {
    title: "KMNIST",
    mirrors: &["https://codh.rois.ac.jp/kmnist/dataset/kmnist"],
    megabytes: 21,
    classes: 10,
    class_names: &KUZUSHIJI,
    form: Form::Idx([
        published(
            "train-images-idx3-ubyte.gz",
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        published(
            "train-labels-idx1-ubyte.gz",
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        ),
        published(
            "t10k-images-idx3-ubyte.gz",
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
        published(
            "t10k-labels-idx1-ubyte.gz",
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ]),
};

/// Limit for a gzipped file of EMNIST: the length of the largest one after decompression.
const EMNIST_BYTES: u64 = 16 + 112_800 * 28 * 28;

/// The balanced part of EMNIST. Its mirrors are NIST's servers.
pub(in super::super) const EMNIST_BALANCED: KnownDataset = KnownDataset {
    title: "EMNIST Balanced",
    mirrors: &[
        "https://biometrics.nist.gov/cs_links/EMNIST",
        "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST",
    ],
    megabytes: 562,
    classes: 47,
    class_names: &EMNIST,
    form: Form::ZippedIdx {
        archive: published(
            "gzip.zip",
            561_753_746,
            "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
        ),
        folder: "gzip",
        files: [
            published(
                "emnist-balanced-train-images-idx3-ubyte.gz",
                EMNIST_BYTES,
                "74295e75e4e9fa2c102147460ee7eb763653d5132d883a84fb88932bfb8d2db4",
            ),
            published(
                "emnist-balanced-train-labels-idx1-ubyte.gz",
                EMNIST_BYTES,
                "b46d41e5156a0a8aaaa4d18979fdd1588850fa8571018acffd5d93b325a7d6ed",
            ),
            published(
                "emnist-balanced-test-images-idx3-ubyte.gz",
                EMNIST_BYTES,
                "117fc12b015e37ea98bfb2cbba3f77c3782c056cdbd219b87abfc8661d7135db",
            ),
            published(
                "emnist-balanced-test-labels-idx1-ubyte.gz",
                EMNIST_BYTES,
                "a67cac948379b67270b9a4d0a01c8ec661598accf2f2b1964340b7c83cb175cd",
            ),
        ],
    },
};

/// The mirror of both CIFAR data sets: their author's page.
const CIFAR_MIRRORS: &[&str] = &["https://www.cs.toronto.edu/~kriz"];

/// CIFAR-10.
pub(in super::super) const CIFAR10: KnownDataset = KnownDataset {
    title: "CIFAR-10",
    mirrors: CIFAR_MIRRORS,
    megabytes: 170,
    classes: 10,
    class_names: &CIFAR_10,
    form: Form::Cifar(CifarForm {
        archive: published(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
        folder: "cifar-10-batches-bin",
        train: &[
            published(
                "data_batch_1.bin",
                30_730_000,
                "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            ),
            published(
                "data_batch_2.bin",
                30_730_000,
                "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            ),
            published(
                "data_batch_3.bin",
                30_730_000,
                "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            ),
            published(
                "data_batch_4.bin",
                30_730_000,
                "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            ),
            published(
                "data_batch_5.bin",
                30_730_000,
                "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            ),
        ],
        test: published(
            "test_batch.bin",
            30_730_000,
            "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        ),
        label_bytes: 1,
    }),
};

/// CIFAR-100, with its 100 fine classes.
pub(in super::super) const CIFAR100: KnownDataset = KnownDataset {
    title: "CIFAR-100",
    mirrors: CIFAR_MIRRORS,
    megabytes: 169,
    classes: 100,
    class_names: &CIFAR_100,
    form: Form::Cifar(CifarForm {
        archive: published(
            "cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
        folder: "cifar-100-binary",
        train: &[published(
            "train.bin",
            153_700_000,
            "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
        )],
        test: published(
            "test.bin",
            30_740_000,
            "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
        ),
        label_bytes: 2,
    }),
};

/// A file whose checksum is that of its decompressed bytes.
const fn content(name: &'static str, most_bytes: u64, sha256: &'static str) -> KnownFile {
    KnownFile { name, sha256, most_bytes, sum_of: SumOf::Content }
}

/// A file whose checksum is that of the published bytes.
const fn published(name: &'static str, most_bytes: u64, sha256: &'static str) -> KnownFile {
    KnownFile { name, sha256, most_bytes, sum_of: SumOf::Published }
}
