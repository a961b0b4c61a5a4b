"""Every field of a pod that is known here (core/v1 up to Kubernetes 1.36): one that is not among them can't be judged. Called by `podspec`."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["KNOWN", "SPARK_APP", "SPARK_POD"]


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONTAINER = (
    "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy resources restartPolicy "
    "restartPolicyRules securityContext startupProbe stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices "
    "volumeMounts workingDir"
)

KNOWN: Mapping[str, frozenset[str]] = {
    "PodSpec": _fields(
        "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks ephemeralContainers "
        "hostAliases hostIPC hostNetwork hostPID hostUsers hostname hostnameOverride imagePullSecrets initContainers nodeName nodeSelector "
        "os overhead preemptionPolicy priority priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName "
        "schedulerName schedulingGates schedulingGroup securityContext serviceAccount serviceAccountName setHostnameAsFQDN "
        "shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes"
    ),
    "Container": _fields(_CONTAINER),
    "EphemeralContainer": _fields(f"{_CONTAINER} targetContainerName"),
    "PodSecurityContext": _fields(
        "appArmorProfile fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy seLinuxOptions seccompProfile "
        "supplementalGroups supplementalGroupsPolicy sysctls windowsOptions"
    ),
    "SecurityContext": _fields(
        "allowPrivilegeEscalation appArmorProfile capabilities privileged procMount readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser "
        "seLinuxOptions seccompProfile windowsOptions"
    ),
    "Capabilities": _fields("add drop"),
    "Lifecycle": _fields("postStart preStop stopSignal"),
    "LifecycleHandler": _fields("exec httpGet sleep tcpSocket"),
    "Probe": _fields(
        "exec failureThreshold grpc httpGet initialDelaySeconds periodSeconds successThreshold tcpSocket terminationGracePeriodSeconds "
        "timeoutSeconds"
    ),
    "EnvVar": _fields("name value valueFrom"),
    "EnvVarSource": _fields("configMapKeyRef fieldRef fileKeyRef resourceFieldRef secretKeyRef"),
    "EnvFromSource": _fields("configMapRef prefix secretRef"),
    "Volume": _fields(
        "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap csi downwardAPI emptyDir ephemeral fc flexVolume flocker "
        "gcePersistentDisk gitRepo glusterfs hostPath image iscsi name nfs persistentVolumeClaim photonPersistentDisk portworxVolume "
        "projected quobyte rbd scaleIO secret storageos vsphereVolume"
    ),
    "VolumeProjection": _fields("clusterTrustBundle configMap downwardAPI podCertificate secret serviceAccountToken"),
}
"""Fields by the type of core/v1 that has them."""

SPARK_POD = _fields(
    "template cores coreLimit memory memoryOverhead memoryLimit gpu image configMaps secrets env envVars envFrom envSecretKeyRefs labels "
    "annotations volumeMounts affinity tolerations podSecurityContext securityContext schedulerName sidecars initContainers hostNetwork "
    "nodeSelector dnsConfig terminationGracePeriodSeconds serviceAccount hostAliases shareProcessNamespace runtimeClassName podName "
    "coreRequest javaOptions lifecycle kubernetesMaster serviceAnnotations serviceLabels ports priorityClassName instances "
    "deleteOnTermination"
)
"""Fields of `driver` and `executor` (sparkoperator.k8s.io/v1beta2)."""

SPARK_APP = _fields(
    "type sparkVersion mode proxyUser image imagePullPolicy imagePullSecrets mainClass mainApplicationFile arguments sparkConf hadoopConf "
    "sparkConfigMap hadoopConfigMap volumes driver executor deps restartPolicy nodeSelector failureRetries retryInterval pythonVersion "
    "memoryOverheadFactor monitoring batchScheduler timeToLiveSeconds batchSchedulerOptions sparkUIOptions driverIngressOptions "
    "dynamicAllocation suspend"
)
"""Fields of a SparkApplication's spec."""
