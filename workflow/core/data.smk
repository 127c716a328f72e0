"""The sets of images that papers share, fetched where a rule reads them.

OUTPUTS  {data_cache}/{mnist,fashion_mnist,cifar10,svhn}/*   the original files, checked by sha256
"""


localrules:
    mnist,
    fashion_mnist,
    cifar10,
    svhn,


rule mnist:
    output:
        [update(path) for path in image_files("mnist")],
    log:
        "results/logs/mnist.log",
    benchmark:
        "results/benchmarks/mnist.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(30),
    params:
        **fetching("mnist"),
    script:
        "../../scripts/core/fetch_images.py"


use rule mnist as fashion_mnist with:
    output:
        [update(path) for path in image_files("fashion_mnist")],
    log:
        "results/logs/fashion_mnist.log",
    benchmark:
        "results/benchmarks/fashion_mnist.tsv"
    params:
        **fetching("fashion_mnist"),


use rule mnist as cifar10 with:
    output:
        [update(path) for path in image_files("cifar10")],
    log:
        "results/logs/cifar10.log",
    benchmark:
        "results/benchmarks/cifar10.tsv"
    params:
        **fetching("cifar10"),


use rule mnist as svhn with:
    output:
        [update(path) for path in image_files("svhn")],
    log:
        "results/logs/svhn.log",
    benchmark:
        "results/benchmarks/svhn.tsv"
    params:
        **fetching("svhn"),
